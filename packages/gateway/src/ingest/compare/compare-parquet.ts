// SPDX-License-Identifier: Apache-2.0
// A Parquet file, as hyparquet reads it, beside what was made of it.
import { open } from 'node:fs/promises';
import { fileSource, readSchema } from '@cloister/parquet-crypto';
import { columnsOfLeaves } from '../parquet-columns.ts';
import { compare, type ReadSource } from './compare.ts';
import type { CompareRequest } from './compare-text.ts';
import { StoredParquet } from './parquet-values.ts';
import { formsOfLeaf } from './stored-form.ts';

/**
 * A column that has another type than in its file is compared in the type that it had.
 * @throws CodedError `value-changed`, `input-changed`, `conversion-failed`, `parquet-malformed`
 */
export async function compareParquet(request: CompareRequest): Promise<void> {
  const { source, parquet, columns, onRows } = request;
  const file = await open(source, 'r');
  try {
    const bytes = await fileSource(file);
    const { columns: leaves, rows: total } = await readSchema(bytes);
    const brought = columnsOfLeaves(leaves);
    const all = leaves.map((leaf, i) => {
      const { name, type } = brought[i] as (typeof brought)[number];
      const forms = formsOfLeaf(leaf);
      const same = columns[i]?.type === type;
      const ask = (column: string) => forms.ask(same ? column : `CAST(${column} AS ${type})`);
      return { name, type, forms: { ...forms, ask } };
    });
    const stored = await StoredParquet.open(bytes);
    const read: ReadSource = async (hear, only) => {
      for (const [i, { name, forms }] of all.entries()) {
        if (only?.has(i) === false) continue;
        let rows = 0;
        for await (const values of stored.column(name)) {
          for (let at = 0; at < values.length; at++) {
            const value = values[at];
            hear(i, value === null || value === undefined ? null : forms.ofSource(value));
          }
          rows += values.length;
          onRows?.(Math.floor((i * total + rows) / all.length));
        }
      }
    };
    await compare(read, parquet, all);
  } finally {
    await file.close();
  }
}
