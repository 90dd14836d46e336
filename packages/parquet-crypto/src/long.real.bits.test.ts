// SPDX-License-Identifier: Apache-2.0
// What takes too long for every run: each bit of encrypted files of DuckDB flipped once, under
// either footer; and a file of 100,000 pages, whose time stays linear and whose memory stays small.
import { isCoded } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Duck, FOOTER_KEY, holding, seal, unseal } from '../testing/files.ts';
import { mintParquet } from '../testing/mint.ts';
import { bufferSource, decryptProjection, encryptParquet } from './index.ts';

describe('every bit', () => {
  let duck: Duck;
  beforeAll(async () => {
    duck = await Duck.open();
  });
  afterAll(() => duck.close());

  const CASES = [
    ['encrypted', `SELECT i AS a, 't' || (i % 2) AS t FROM range(6) r(i)`],
    ['plaintext', `SELECT i AS a, 't' || (i % 2) AS t FROM range(6) r(i)`],
    ['encrypted', `SELECT [i, NULL] AS a, MAP {'k': i} AS t FROM range(3) r(i)`],
  ] as const;

  test.each(CASES)('under a footer that is %s: %s', async (footer, sql) => {
    const sealed = await seal(await duck.write(sql), { footer });
    const back = await unseal(sealed, ['a', 't']);
    const flipped = Uint8Array.from(sealed);
    let refused = 0;
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const at = bit >> 3;
      flipped[at] = (sealed[at] ?? 0) ^ (1 << (bit & 7));
      try {
        expect(await unseal(flipped, ['a', 't'])).toEqual(back);
      } catch (error) {
        if (!isCoded(error)) throw error;
        refused++;
      }
      flipped[at] = sealed[at] ?? 0;
    }
    // What may change unseen: key material of columns is unwrapped from text with room in it.
    expect(refused).toBeGreaterThan(sealed.length * 8 * 0.9);
  });
});

test('100,000 pages take five times the processor of 20,000, and little memory', async () => {
  const run = async (rowGroups: number) => {
    const plain = mintParquet({ pages: 20_000, valuesPerPage: 2, rowGroups, offsetIndex: true });
    const parts: Uint8Array[] = [];
    const sink = { write: async (more: readonly Uint8Array[]) => void parts.push(...more) };
    const before = process.memoryUsage().rss;
    const started = process.cpuUsage();
    const source = bufferSource(plain);
    const report = await encryptParquet({
      ...{ source, sink, footerKey: FOOTER_KEY, columnKeys: 'footer-key' },
    });
    expect(report.pages).toBe(20_000 * rowGroups);
    const sealed = new Uint8Array(Buffer.concat(parts.splice(0)));
    const nowhere = { write: async () => undefined };
    const options = { source: bufferSource(sealed), keys: holding(), columns: ['c0'] };
    const { rows } = await decryptProjection({ ...options, sink: nowhere });
    expect(rows).toBe(40_000 * rowGroups);
    const { user, system } = process.cpuUsage(started);
    return { ms: (user + system) / 1000, grown: process.memoryUsage().rss - before };
  };
  await run(1);
  const [one, five] = [await run(1), await run(5)];
  expect(five.ms).toBeLessThan(5 * one.ms * 2 + 500);
  expect(five.grown).toBeLessThan(400_000_000);
});
