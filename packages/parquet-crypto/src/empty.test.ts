// SPDX-License-Identifier: Apache-2.0
// Files with nothing in them, in each way that a file can have nothing: no row groups, row groups
// without pages, pages without values, no columns at all. All come back as they were.
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import { FOOTER_KEY, holding, keyOf, seal, unseal } from '../testing/files.ts';
import { type MintOptions, mintParquet } from '../testing/mint.ts';
import { COLUMN, FILE, GROUP } from './format.ts';
import { assertFullyEncrypted, bufferSource, CryptoPool, decryptProjection } from './index.ts';
import { i64 } from './thrift/struct.ts';

const SHAPES: Record<string, MintOptions> = {
  'no row groups': { rowGroups: 0, columns: 3 },
  'row groups without pages': { pages: 0, rowGroups: 2, columns: 2 },
  'a page without values': { valuesPerPage: 0, columns: 2 },
  'many pages without values': { valuesPerPage: 0, pages: 3, offsetIndex: true },
};

describe.each(Object.entries(SHAPES))('%s', (_, shape) => {
  test.each(['encrypted', 'plaintext'] as const)('under a footer that is %s', async (footer) => {
    const plain = mintParquet(shape);
    const sealed = await seal(plain, { footer });
    const all = holding(0, 1, 2);
    const allowed = { allowPlaintextFooter: footer === 'plaintext' };
    await assertFullyEncrypted(bufferSource(sealed), all, allowed);
    const back = await unseal(sealed, ['c0']);
    expect(await parquetReadObjects({ file: back.buffer })).toEqual([]);
    const [was, is] = [plain.buffer, back.buffer].map((file) => parquetMetadata(file));
    expect(is?.row_groups.length).toBe(was?.row_groups.length);
    expect(is?.num_rows).toBe(was?.num_rows);
  });
});

test('on threads too', async () => {
  const pool = new CryptoPool(1);
  for (const shape of Object.values(SHAPES)) {
    const sealed = await seal(mintParquet(shape), { pool });
    await assertFullyEncrypted(bufferSource(sealed), holding(0, 1, 2), { pool });
  }
  await pool.close();
});

test('a file without columns can be sealed, and has none to ask for', async () => {
  const plain = mintParquet({ columns: 0, rowGroups: 0 });
  const sealed = await seal(plain, { columnKeys: new Map() });
  expect(await assertFullyEncrypted(bufferSource(sealed), holding())).toMatchObject({ rows: 0 });
  const options = { source: bufferSource(sealed), sink: { write: async () => undefined } };
  await expect(
    decryptProjection({ ...options, keys: holding(), columns: [] }),
  ).rejects.toMatchObject({ code: 'options-invalid' });
});

test('values that are promised and not there are missed', async () => {
  const [metadata, group, file] = [
    { [COLUMN.values]: i64(1) },
    { [GROUP.rows]: i64(1) },
    { [FILE.rows]: i64(1) },
  ];
  const lie = mintParquet({ pages: 0, metadata, group, file });
  const columnKeys = new Map([['c0', keyOf(0)]]);
  await expect(seal(lie, { columnKeys, footerKey: FOOTER_KEY })).rejects.toMatchObject({
    code: 'parquet-malformed',
  });
});
