// SPDX-License-Identifier: Apache-2.0
// The ledger's host: puts events in order (real admission and fold), tells the gateways at once,
// and keeps usage records back a few times: it says nothing, or it says that it has what it has
// not, or it has it with a receipt altered.
import { toHex } from '@cloister/core';
import { Endpoint, passing } from './endpoint.ts';
import { eventId, MEMBERS, type Stage } from './stage.ts';

const PAGE = 40;

export type Appended = {
  seq: number;
  id: string;
  status: 'accepted' | 'void';
  code?: string | undefined;
  sentence?: string | undefined;
};

/**
 * `drops` is how many usage records are kept back; `lies`: the host says that it has them;
 * `alters`: it has them with one receipt altered.
 */
export function startLedger(
  stage: Stage,
  drops: { count: number; lies: boolean; alters: boolean },
): void {
  const { network, world } = stage;
  let left = drops.count;
  const usageOf = async (bytes: Uint8Array) => {
    const event = await stage.shared.admission(bytes, stage.shared.crypto).catch(passing);
    return event?.kind === 'usage' ? event.body : undefined;
  };
  const append = async (_: string, { bytes }: { bytes: Uint8Array }) => {
    const id = toHex(eventId(bytes));
    const usage = left > 0 ? await usageOf(bytes) : undefined;
    if (usage !== undefined) {
      left--;
      network.count('usage-dropped');
      if (drops.alters) {
        network.count('receipt-altered');
        await stage.order(altered(bytes, usage.receipts[0] as Uint8Array));
      }
      if (!drops.lies) return new Promise<never>(() => {});
      return { seq: world.log.length, id, status: 'accepted' } satisfies Appended;
    }
    await stage.overtake(bytes);
    const outcome = await stage.order(bytes);
    if (outcome.status === 'accepted') return { seq: outcome.seq, id, status: 'accepted' };
    const { seq, code, sentence } = outcome;
    return { seq, id, status: 'void', code, sentence };
  };
  const get = async (_: string, { from }: { from: number }) => {
    return { from, events: world.log.slice(from, from + PAGE) };
  };
  const size = async () => ({ size: world.log.length });
  const ledger: Endpoint = new Endpoint(network, 'ledger', { append, get, size });
  stage.onNews = (from) => {
    const news = { from, events: world.log.slice(from) };
    for (const member of MEMBERS) ledger.send(member, 'news', news);
  };
}

/** One bit of its first receipt. */
function altered(bytes: Uint8Array, receipt: Uint8Array): Uint8Array {
  const other = Uint8Array.from(bytes);
  const last = Buffer.from(bytes).indexOf(receipt) + receipt.length - 1;
  other[last] = (other[last] as number) ^ 1;
  return other;
}
