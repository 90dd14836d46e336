// SPDX-License-Identifier: Apache-2.0
// Which columns a run opens: the footer key and the columns that it reads, each with the sealed key
// and the label that it must be sealed under. All of it is the ledger's words and the openings',
// never the caller's. A worker asks by this list and a keeper answers by it, so they agree.
import { encodeLabel } from '@cloister/threshold';
import { contractError } from '../errors.ts';
import type { RightInput } from '../fold/rights.ts';
import type { Suppression } from '../policy/index.ts';
import { columnsRead, type TaskContents } from './task.ts';

/** The id that stands for a file's footer key. */
export const FOOTER_COLUMN = 0;

export interface OpenedColumn {
  /** The input's position in the task, from 0. */
  readonly input: number;
  /** The column's id; 0 is the footer's key. */
  readonly column: number;
  /** The digest of its sealed key, in the newest event of its dataset version. */
  readonly sealed: Uint8Array;
  readonly label: Uint8Array;
}

/**
 * What a run opens, input by input, the footer first.
 * @throws CodedError `column-not-granted` where it reads what the task did not ask for, so that
 * nobody granted it; `column-not-sealed` where the newest event has no key
 */
export function openedColumns(of: {
  genesis: Uint8Array;
  inputs: readonly RightInput[];
  contents: Pick<TaskContents, 'uses'>;
  suppression: readonly Suppression[];
}): OpenedColumn[] {
  const { genesis, contents, suppression } = of;
  const { uses } = contents;
  return of.inputs.flatMap((right, input) => {
    const asked = right.input.columns;
    const read = columnsRead(input, { uses, suppression, asked });
    if (read.some((column) => !asked.includes(column))) {
      const message = 'the run reads a column that the task did not ask for, so nobody granted it';
      throw contractError('column-not-granted', message);
    }
    return [FOOTER_COLUMN, ...read].map((column) => {
      const sealed = right.body.columns.find(({ id }) => id === column)?.sealed;
      const label = columnLabel(genesis, right, column);
      if (sealed !== undefined) return { input, column, sealed, label };
      const message = 'a granted column has no sealed key in the newest event of its dataset';
      throw contractError('column-not-sealed', message);
    });
  });
}

/** What is opened of each input, without the footers: what receipts and usage records say. */
export function columnsOpened(
  inputs: readonly RightInput[],
  opened: readonly Pick<OpenedColumn, 'input' | 'column'>[],
): { dataset: Uint8Array; version: number; columns: number[] }[] {
  return inputs.map(({ input: { dataset, version } }, at) => {
    const own = opened.filter(({ input, column }) => input === at && column !== FOOTER_COLUMN);
    return { dataset, version, columns: own.map(({ column }) => column).sort((a, b) => a - b) };
  });
}

/** The label of a column's key; 0 is the footer's. */
export function columnLabel(
  genesis: Uint8Array,
  { owner, input, body }: Pick<RightInput, 'owner' | 'input' | 'body'>,
  column: number,
): Uint8Array<ArrayBuffer> {
  const { groupKey, policy } = body;
  const { dataset, version } = input;
  return encodeLabel({ genesis, groupKey, owner, dataset, version, column, policy });
}
