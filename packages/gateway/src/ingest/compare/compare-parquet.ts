// SPDX-License-Identifier: Apache-2.0
// A Parquet file, as our own reading of its pages or hyparquet has it, beside what was made of it.
import { open } from 'node:fs/promises';
import { fileSource, type LeafColumn, readSchema } from '@cloister/parquet-crypto';
import { engineCast } from '../engine-form.ts';
import { columnsOfLeaves } from '../parquet-columns.ts';
import { ColumnTrace } from './column-trace.ts';
import { compare, type ReadSource } from './compare.ts';
import type { CompareRequest } from './compare-text.ts';
import { traceOfPages } from './page-pairs.ts';
import { type PairForm, pairFormOf } from './pair-form.ts';
import { type Stored, StoredParquet } from './parquet-values.ts';
import { formsOfLeaf } from './stored-form.ts';
import { addStored } from './stored-pairs.ts';

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
      const made = columns[i]?.type ?? type;
      const ask = (column: string) =>
        forms.ask(made === type ? column : engineCast(column, made, type));
      const pairs = made === type ? pairFormOf(leaf, type) : undefined;
      return { name, type: made, leaf, pairs, forms: { ...forms, ask } };
    });
    const stored = await StoredParquet.open(bytes);
    const onColumnRows = (i: number, rows: number) =>
      onRows?.(Math.floor((i * total + rows) / all.length));
    const eachPart = async (i: number, take: (values: ArrayLike<Stored>) => void) => {
      let rows = 0;
      for await (const values of stored.column((all[i] as (typeof all)[number]).name)) {
        take(values);
        rows += values.length;
        onColumnRows(i, rows);
      }
    };
    const traceOf = async (i: number, leaf: LeafColumn, pairs: PairForm): Promise<ColumnTrace> => {
      const quick = await traceOfPages(bytes, { leaf, pairs }, (rows) => onColumnRows(i, rows));
      if (quick !== undefined) return quick;
      const trace = new ColumnTrace();
      await eachPart(i, (values) => addStored(pairs, values, trace));
      trace.end();
      return trace;
    };
    const traces: ColumnTrace[] = [];
    for (const [i, { leaf, pairs }] of all.entries()) {
      if (pairs !== undefined) traces[i] = await traceOf(i, leaf, pairs);
    }
    const read: ReadSource = async (hear, only) => {
      for (const [i, { forms }] of all.entries()) {
        if (only?.has(i) === false) continue;
        await eachPart(i, (values) => {
          for (let at = 0; at < values.length; at++) {
            const value = values[at];
            hear(i, value === null || value === undefined ? null : forms.ofSource(value));
          }
        });
      }
    };
    await compare(read, parquet, all, traces);
  } finally {
    await file.close();
  }
}
