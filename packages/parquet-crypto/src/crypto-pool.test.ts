// SPDX-License-Identifier: Apache-2.0
// The pool gives what the calling thread gives, for pages large and small, and refuses what it
// refuses; jobs that run when the pool is closed are rejected.
import { parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, test } from 'vitest';
import { holding, seal } from '../testing/files.ts';
import { mintParquet } from '../testing/mint.ts';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  CryptoPool,
  decryptProjection,
} from './index.ts';

const plain = mintParquet({ columns: 2, rowGroups: 2, pages: 9, valuesPerPage: 50_000 });
const pool = new CryptoPool(2);
afterAll(() => pool.close());

describe.each(['AES_GCM_V1', 'AES_GCM_CTR_V1'] as const)('%s', (algorithm) => {
  test('pages sealed by the pool are opened without it, and the reverse', async () => {
    for (const [sealing, opening] of [
      [{ pool }, {}],
      [{}, { pool }],
    ]) {
      const sealed = await seal(plain, { columnKeys: 'footer-key', algorithm, ...sealing });
      const sink = new BufferSink();
      const source = bufferSource(sealed);
      const columns = ['c0', 'c1'];
      await decryptProjection({ source, sink, keys: holding(), columns, ...opening });
      await assertFullyEncrypted(source, holding(), { ...opening });
      const rows = await parquetReadObjects({ file: sink.bytes().buffer });
      expect(rows).toHaveLength(900_000);
      expect(rows[50_001]).toEqual({ c0: 1, c1: 1 });
    }
  });
});

test('a changed byte is refused, and no page after it is written', async () => {
  const sealed = await seal(plain, { columnKeys: 'footer-key' });
  const at = Math.floor(sealed.length / 2);
  sealed[at] = (sealed[at] ?? 0) ^ 1;
  const sink = new BufferSink();
  const options = { source: bufferSource(sealed), sink, keys: holding(), columns: ['c0', 'c1'] };
  await expect(decryptProjection({ ...options, pool })).rejects.toMatchObject({
    code: 'tag-invalid',
  });
  expect(sink.bytes().length).toBeLessThan(at);
  await expect(
    assertFullyEncrypted(bufferSource(sealed), holding(), { pool }),
  ).rejects.toMatchObject({ code: 'tag-invalid' });
});

test('a pool that is closed rejects', async () => {
  const closing = new CryptoPool(1);
  const sealing = seal(plain, { columnKeys: 'footer-key', pool: closing });
  const outcome = expect(sealing).rejects.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  await closing.close();
  await outcome;
});
