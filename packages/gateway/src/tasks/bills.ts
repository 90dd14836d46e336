// SPDX-License-Identifier: Apache-2.0
// Bills as JSON: a view of contract's fold over usage records and accepted prices.
import type { BillAnswer } from '@cloister/api';
import { bills } from '@cloister/contract';
import { type Gateway, historyOf } from '../context.ts';
import { measuresOfAll } from './measures.ts';

/** Every bill in which this member pays or is paid, of one task when it is named. */
export async function billsOf(gateway: Gateway, task?: string): Promise<BillAnswer> {
  const me = gateway.card.id;
  const measuresOf = await measuresOfAll(gateway);
  return bills(historyOf(gateway), task === undefined ? {} : { task }, measuresOf)
    .filter((bill) => bill.payer === me || bill.payee === me)
    .map((bill) => ({
      ...bill,
      total: bill.total.toString(),
      lines: bill.lines.map((line) => ({
        ...line,
        quantity: line.quantity?.toString() ?? null,
        price: line.price.toString(),
        amount: line.amount?.toString() ?? null,
      })),
    }));
}
