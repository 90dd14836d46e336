// SPDX-License-Identifier: Apache-2.0
// The engines that a worker is told to run code on: each is one that it has, or it does not start.
import { describe, expect, it } from 'vitest';
import { openEngines } from './adapters.ts';
import { parseWorkerConfig } from './config.ts';

const config = (...kinds: string[]) =>
  parseWorkerConfig({
    name: 'worker',
    genesis: '00'.repeat(32),
    charter: '',
    operator: 'bank',
    environment: 'worker-sgx',
    gateways: ['http://127.0.0.1:1'],
    keepers: ['http://127.0.0.1:2'],
    limits: {
      ...{ memoryBytes: 2 ** 27, threads: 1, timeMs: 1_000 },
      ...{ outputRows: 1, outputBytes: 1_024 },
    },
    ...(kinds.length === 0 ? {} : { engines: kinds.map((kind) => ({ kind })) }),
  });

describe("a worker's engines", () => {
  it('are DuckDB where nothing is said', async () => {
    const { planners, runners } = openEngines(config());
    expect([...planners.keys()]).toEqual(['duckdb']);
    expect([...runners.keys()]).toEqual(['duckdb']);
    for (const port of [...planners.values(), ...runners.values()]) await port.close();
  });

  it.each(['spark', 'toString'])('are refused with %s among them, and those there are', (kind) => {
    expect(() => openEngines(config('duckdb', kind))).toThrow(
      expect.objectContaining({
        code: 'engine-unknown',
        message: `this worker has no engine of kind ${kind}; it has: duckdb`,
      }),
    );
  });

  it('are refused where one is named twice', () => {
    const code = 'engine-kind-twice';
    expect(() => openEngines(config('duckdb', 'duckdb'))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
