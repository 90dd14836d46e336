// SPDX-License-Identifier: Apache-2.0
// The sealed key of a column that a run reads, and the label that it must be sealed under: the
// ledger's words, never the caller's. Keepers open by them, workers put the key together by them.
import { encodeLabel } from '@cloister/threshold';
import type { RightInput } from '../fold/rights.ts';

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

/** The digest of a column's sealed key in the newest event of its dataset version. */
export function sealedColumn(
  { body }: Pick<RightInput, 'body'>,
  column: number,
): Uint8Array | undefined {
  return body.columns.find(({ id }) => id === column)?.sealed;
}
