// SPDX-License-Identifier: Apache-2.0
// A keeper's receipt for what it opened: to which nodes, for which run, which columns, judged at
// which head and with which collateral. It travels inside the sealed answer and comes back in the
// worker's usage record, which counts only with the receipts of t seats: otherwise anybody whom a
// task names could record and release what no keeper ever opened anything for. A COSE_Sign1 under
// the keeper's signing key, subject `opening-receipt`, payload [1, genesis, task, run, epoch, seat,
// roster, columns, parts, size]. spec/events.md, "Tickets and receipts".
import { type CryptoPort, compare, encodeCbor, type Signer } from '@cloister/core';
import { contractError } from '../errors.ts';
import { isBytes, readCarried, signCarried } from './carried.ts';

/** CWT subject of a receipt: no event kind has this name. */
export const RECEIPT_SUBJECT = 'opening-receipt';
const MOST_NODES = 255;
/** Nodes of one run are of few makes; each needs two or four parts. */
const MOST_PARTS = 64;

export interface OpeningReceipt {
  readonly task: Uint8Array;
  readonly run: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  /** Joins of all nodes of the run, in the order of their places. */
  readonly roster: readonly Uint8Array[];
  /** `columnsDigest` of what was opened. */
  readonly columns: Uint8Array;
  /** Digests of the parts of collateral that the evidence was appraised with, ascending. */
  readonly parts: readonly Uint8Array[];
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

export function signReceipt(
  keeper: Signer,
  issuer: string,
  { genesis, receipt }: { genesis: Uint8Array; receipt: OpeningReceipt },
): Promise<Uint8Array<ArrayBuffer>> {
  const { task, run, epoch, seat, roster, columns, parts, size } = receipt;
  const fields = [task, run, epoch, seat, [...roster], columns, [...parts], size];
  return signCarried(keeper, issuer, { subject: RECEIPT_SUBJECT, genesis, fields });
}

/** @throws CodedError `receipt-malformed`, and core's COSE and CBOR codes */
export async function readReceipt(
  bytes: Uint8Array,
  { genesis, crypto }: { genesis: Uint8Array; crypto: CryptoPort },
): Promise<SignedReceipt> {
  const of = { subject: RECEIPT_SUBJECT, genesis, count: 8, crypto };
  const { fields, signer } = await readCarried(bytes, of, malformed);
  const [task, run, epoch, seat, roster, columns, parts, size] = fields;
  if (!isBytes(task, 32) || !isBytes(run, 16) || !isBytes(epoch, 32) || !isBytes(columns, 32)) {
    throw malformed('task, run, epoch or columns is no id');
  }
  if (!isCount(seat) || !isCount(size)) throw malformed('seat or size is no number');
  if (!isDigests(roster, MOST_NODES)) throw malformed('the roster is not of joins');
  if (!isDigests(parts, MOST_PARTS) || !isAscending(parts)) {
    throw malformed('the parts of collateral are not ascending digests');
  }
  return { task, run, epoch, seat, roster, columns, parts, size, signer };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isDigests(value: unknown, most: number): value is Uint8Array[] {
  return Array.isArray(value) && value.length <= most && value.every((one) => isBytes(one, 32));
}

function isAscending(values: readonly Uint8Array[]): boolean {
  return values.every((value, i) => i === 0 || compare(values[i - 1] as Uint8Array, value) < 0);
}

function malformed(why: string) {
  return contractError('receipt-malformed', `an opening receipt does not hold: ${why}`);
}
