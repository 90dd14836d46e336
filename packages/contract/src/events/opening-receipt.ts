// SPDX-License-Identifier: Apache-2.0
// A keeper's receipt for what it opened: to which nodes, for which run, which columns, judged at
// which head and with which collateral. It travels inside the sealed answer and comes back in the
// worker's usage record, which counts only with the receipts of t seats: otherwise anybody whom a
// task names could record and release what no keeper ever opened anything for. A COSE_Sign1 under
// the keeper's signing key, subject `opening-receipt`, payload [1, genesis, task, run, epoch, seat,
// roster, columns, collateral, size]. spec/events.md, "Tickets and receipts".
import { type CryptoPort, compare, encodeCbor, type Signer } from '@cloister/core';
import { contractError } from '../errors.ts';
import { isBytes, readCarried, signCarried } from './carried.ts';

/** CWT subject of a receipt: no event kind has this name. */
export const RECEIPT_SUBJECT = 'opening-receipt';
const MOST_NODES = 255;

export interface OpeningReceipt {
  readonly task: Uint8Array;
  readonly run: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  /** Joins of all nodes of the run, in the order of their places. */
  readonly roster: readonly Uint8Array[];
  /** `columnsDigest` of what was opened. */
  readonly columns: Uint8Array;
  /** `collateralDigest` of what the evidence was appraised with. */
  readonly collateral: Uint8Array;
  /** Entries that the keeper had folded when it judged. */
  readonly size: number;
}

/** A receipt whose signature holds, and the key that signed it. */
export interface SignedReceipt extends OpeningReceipt {
  readonly signer: Uint8Array;
}

/** The columns of one dataset version that a run opens, ascending, without the footer's. */
export interface ColumnsOpened {
  readonly dataset: Uint8Array;
  readonly version: number;
  readonly columns: readonly number[];
}

/** SHA-256 over which columns were opened, in the order of the task's inputs. */
export function columnsDigest(
  inputs: readonly ColumnsOpened[],
  crypto: CryptoPort,
): Uint8Array<ArrayBuffer> {
  const listed = inputs.map(({ dataset, version, columns }) => [dataset, version, [...columns]]);
  return crypto.digest('sha256', encodeCbor(['cloister/opened-columns/v1', listed]));
}

/** SHA-256 over the digests of collateral, in ascending order: the ledger's newest at that head. */
export function collateralDigest(
  digests: readonly Uint8Array[],
  crypto: CryptoPort,
): Uint8Array<ArrayBuffer> {
  const sorted = [...digests].sort(compare);
  return crypto.digest('sha256', encodeCbor(['cloister/collateral-used/v1', sorted]));
}

export function signReceipt(
  keeper: Signer,
  issuer: string,
  { genesis, receipt }: { genesis: Uint8Array; receipt: OpeningReceipt },
): Promise<Uint8Array<ArrayBuffer>> {
  const { task, run, epoch, seat, roster, columns, collateral, size } = receipt;
  const fields = [task, run, epoch, seat, [...roster], columns, collateral, size];
  return signCarried(keeper, issuer, { subject: RECEIPT_SUBJECT, genesis, fields });
}

/** @throws CodedError `receipt-malformed`, and core's COSE and CBOR codes */
export async function readReceipt(
  bytes: Uint8Array,
  { genesis, crypto }: { genesis: Uint8Array; crypto: CryptoPort },
): Promise<SignedReceipt> {
  const of = { subject: RECEIPT_SUBJECT, genesis, count: 8, crypto };
  const { fields, signer } = await readCarried(bytes, of, malformed);
  const [task, run, epoch, seat, roster, columns, collateral, size] = fields;
  if (!isBytes(task, 32) || !isBytes(run, 16) || !isBytes(epoch, 32) || !isBytes(columns, 32)) {
    throw malformed('task, run, epoch or columns is no id');
  }
  if (!isCount(seat) || !isCount(size)) throw malformed('seat or size is no number');
  if (!isBytes(collateral, 32)) throw malformed('collateral is no digest');
  if (!isDigests(roster)) throw malformed('the roster is not of joins');
  return { task, run, epoch, seat, roster, columns, collateral, size, signer };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isDigests(value: unknown): value is Uint8Array[] {
  return (
    Array.isArray(value) && value.length <= MOST_NODES && value.every((one) => isBytes(one, 32))
  );
}

function malformed(why: string) {
  return contractError('receipt-malformed', `an opening receipt does not hold: ${why}`);
}
