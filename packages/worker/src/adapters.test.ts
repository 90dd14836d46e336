// SPDX-License-Identifier: Apache-2.0
// The engine that a worker is told to run code on: one that it has, or none.
import { describe, expect, it } from 'vitest';
import { openEngine } from './adapters.ts';
import { parseWorkerConfig } from './config.ts';

const config = (engine?: { kind: string }) =>
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
    ...(engine === undefined ? {} : { engine }),
  });

describe("a worker's engine", () => {
  it('is DuckDB where nothing is said', async () => {
    const engine = openEngine(config());
    expect(engine.kind).toBe('duckdb');
    await engine.close();
  });

  it.each(['spark', 'toString'])('is refused when it is %s, with those there are', (kind) => {
    expect(() => openEngine(config({ kind }))).toThrow(
      expect.objectContaining({
        code: 'engine-unknown',
        message: `this worker has no engine of kind ${kind}; it has: duckdb`,
      }),
    );
  });
});
