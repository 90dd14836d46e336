// SPDX-License-Identifier: Apache-2.0
// The witnesses' newest head, signed together with the keepers' challenges, gathered so that a peer
// that answers garbage costs nothing.
//
// Invariant: only signatures that hold count, each witness once.
import {
  cosignedHead,
  crossed,
  gather,
  isMet,
  patiently,
  WITNESS_MS,
  type WitnessRule,
  witnessRule,
} from '@cloister/attested';
import { isCoded } from '@cloister/core';
import { gatherFreshness, logOrigin, type TreeHead } from '@cloister/tlog';
import { workerError } from './errors.ts';
import type { Gateway, WorkerPorts } from './ports.ts';

/**
 * One note of the witnesses over one size, one root and these challenges, with the signatures that
 * hold: a quorum's, every owner's among them. Goes on as soon as these are there. A witness that is
 * ahead says so, and a newer head is taken from whoever shows one that a quorum cosigned.
 * @throws CodedError `freshness-unreachable`
 */
export async function freshnessNote(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  asked: { head: TreeHead; challenges: readonly Uint8Array[]; owners: readonly string[] },
): Promise<string> {
  const { config, timers } = ports;
  let { head } = asked;
  return patiently('the witnesses', { timers, patienceMs: config.patienceMs }, async () => {
    const rule = witnessRule(ports, asked.owners);
    const answer = await askWitnesses(ports, gateways, {
      head,
      rule,
      challenges: asked.challenges,
    });
    if (answer.note !== undefined) return answer.note;
    const newer = await cosignedHead(ports, gateways, { least: head.size, rule }).catch(
      async (error: unknown) => {
        await crossed(ports);
        throw error;
      },
    );
    if (newer.size > head.size || answer.stale) {
      head = newer;
      return undefined;
    }
    const signed = `${answer.signed} of ${rule.quorum} witnesses signed a fresh head`;
    const message = `${signed}, or not every owner's own: are all gateways running?`;
    throw workerError('freshness-unreachable', message);
  });
}

async function askWitnesses(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  of: { head: TreeHead; rule: WitnessRule; challenges: readonly Uint8Array[] },
): Promise<{ note: string | undefined; signed: number; stale: boolean }> {
  const { crypto, genesis } = ports;
  const { head, rule, challenges } = of;
  const { size, root } = head;
  const statement = { checkpoint: { origin: logOrigin(genesis), size, root }, challenges };
  const expect = { statement, witnesses: rule.witnesses };
  const asked = gateways.map(async (gateway) => {
    const note = await gateway.freshness({ size, root }, challenges);
    const kept = await gatherFreshness(crypto, [note], expect);
    return { note, names: kept.times.map(({ name }) => name) };
  });
  const { got, failures } = await gather(asked, {
    timers: ports.timers,
    enough: (answers) => isMet(rule, new Set(answers.flatMap(({ names }) => names))),
    graceMs: 0,
    boundMs: WITNESS_MS,
  });
  const notes = got.map(({ note }) => note);
  const all = await gatherFreshness(crypto, notes, expect);
  const names = new Set(all.times.map(({ name }) => name));
  const note = isMet(rule, names) ? all.note : undefined;
  const stale = failures.some((error) => isCoded(error, 'witness-head-stale'));
  return { note, signed: names.size, stale };
}
