// SPDX-License-Identifier: Apache-2.0
// Bills as JSON: a view of contract's fold over usage records and accepted prices. What this
// gateway has not found good itself is in no total.
import type { BillAnswer } from '@cloister/api';
import { bills } from '@cloister/contract';
import { type Gateway, historyOf } from '../context.ts';
import { measuresOfAll } from './measures.ts';

/** Every bill in which this member pays or is paid, of one task when it is named. */
export async function billsOf(gateway: Gateway, task?: string): Promise<BillAnswer> {
  const me = gateway.card.id;
  const measuresOf = await measuresOfAll(gateway);
  await settleAll(gateway, task);
  const appraisedOf = (usage: string) => gateway.appraisals.known(usage)?.status ?? 'not-yet';
  const known = { measuresOf, appraisedOf };
  return bills(historyOf(gateway), task === undefined ? {} : { task }, known)
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

/** Tries once more what has not been appraised yet, so that a bill is as whole as it can be. */
async function settleAll(gateway: Gateway, task: string | undefined): Promise<void> {
  const recorded = [...historyOf(gateway).runs.values()].flatMap((run) => {
    return run.usage === null || (task !== undefined && run.task !== task) ? [] : [run.usage.event];
  });
  await Promise.all(recorded.map((usage) => gateway.appraisals.settled(usage)));
}
