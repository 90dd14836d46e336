// SPDX-License-Identifier: Apache-2.0
// Freshness and receipts: the witnesses' newest head signed together with the keepers' challenges,
// and the cosigned inclusion of an event of ours before anything leaves.
import type { GatewayClient } from '@cloister/api';
import { requiredWitnesses } from '@cloister/contract';
import { equal, fromHex, isCoded, toHex } from '@cloister/core';
import { logOrigin, verifyCheckpoint, type WitnessKey } from '@cloister/tlog';
import { workerError } from './errors.ts';
import type { WorkerPorts } from './ports.ts';
import { patiently } from './wait.ts';

/**
 * Notes of the witnesses over one size, one root and these challenges. A witness that is ahead says
 * so and the newer head is asked for; those that cannot be reached are left out, and the keepers
 * judge whether enough signed.
 */
export async function freshnessNotes(
  ports: WorkerPorts,
  gateways: readonly GatewayClient[],
  challenges: readonly Uint8Array[],
): Promise<string[]> {
  const { quorum } = ports.follower.charter.witnesses;
  return patiently('the witnesses', ports.config.patienceMs, async () => {
    const { size, root } = await newestHead(gateways);
    const answers = await Promise.allSettled(
      gateways.map((gateway) => gateway.freshness({ size, root: fromHex(root) }, challenges)),
    );
    const notes = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    );
    if (notes.length >= quorum) return notes;
    const stale = answers.some(
      (a) => a.status === 'rejected' && isCoded(a.reason, 'witness-head-stale'),
    );
    if (stale) return undefined;
    const message = `${notes.length} of ${quorum} witnesses signed a fresh head: are all gateways running?`;
    throw workerError('freshness-unreachable', 'unavailable', message);
  });
}

async function newestHead(
  gateways: readonly GatewayClient[],
): Promise<{ size: number; root: string }> {
  let last: unknown;
  for (const gateway of gateways) {
    try {
      return await gateway.checkpoint();
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

/**
 * Waits until a checkpoint that q witnesses signed, every owner's of the task's inputs among them,
 * includes our event at `seq`: no receipt, no result.
 * @throws CodedError `receipt-missing` and the codes of the last attempt
 */
export async function awaitReceipt(
  ports: WorkerPorts,
  event: {
    seq: number;
    task: Uint8Array;
    usage: (state: WorkerPorts['follower']['state']) => boolean;
  },
): Promise<void> {
  const { follower, config, crypto, genesis } = ports;
  const owners = requiredWitnesses(follower.state, toHex(event.task));
  const witnesses: WitnessKey[] = follower.charter.members.map((m) => ({
    name: m.id,
    key: m.witness,
  }));
  const required = witnesses.filter((w) => owners.some((o) => equal(o, w.key))).map((w) => w.name);
  const { quorum } = follower.charter.witnesses;
  let next = 0;
  await patiently('a receipt for the usage record', config.patienceMs, async () => {
    const gateway = ports.gateways[next++ % ports.gateways.length] as GatewayClient;
    const { note } = await gateway.checkpoint(event.seq + 1);
    const origin = logOrigin(genesis);
    const head = await verifyCheckpoint(crypto, note, { origin, witnesses, quorum, required });
    if (head.size <= event.seq) return undefined;
    await follower.syncTo(head);
    return event.usage(follower.state) ? true : undefined;
  });
}
