// SPDX-License-Identifier: Apache-2.0
// What a keeper signed as it opened, looked at as the ledger will: an answer whose receipt would
// not count in the usage record is no answer. spec/events.md, "Tickets and receipts".
import { type ColumnsOpened, columnsDigest, type Rights, readReceipt } from '@cloister/contract';
import { equal, fromHex, toHex } from '@cloister/core';
import { workerError } from './errors.ts';
import type { WorkerPorts } from './ports.ts';

/** What was asked of every keeper. */
export interface ReceiptFor {
  readonly rights: Extract<Rights, { ok: true }>;
  readonly columns: readonly ColumnsOpened[];
}

/** @throws CodedError `keeper-answer-malformed`, `receipt-malformed`, and core's COSE codes */
export async function checkReceipt(
  { genesis, crypto }: Pick<WorkerPorts, 'genesis' | 'crypto'>,
  { rights, columns }: ReceiptFor,
  of: { receipt: Uint8Array; seat: number; signer: Uint8Array },
): Promise<void> {
  const receipt = await readReceipt(of.receipt, { genesis, crypto });
  const right =
    receipt.seat === of.seat &&
    equal(receipt.signer, of.signer) &&
    equal(receipt.task, fromHex(rights.taskKey)) &&
    equal(receipt.run, fromHex(rights.runKey)) &&
    equal(receipt.epoch, fromHex(rights.epoch)) &&
    equal(receipt.columns, columnsDigest(columns, crypto)) &&
    receipt.roster.map(toHex).join() === rights.roster.join() &&
    receipt.size > rights.join.seq;
  if (right) return;
  const message = 'a keeper gave no receipt for what it opened';
  throw workerError('keeper-answer-malformed', message);
}
