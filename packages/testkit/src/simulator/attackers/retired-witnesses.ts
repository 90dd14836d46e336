// SPDX-License-Identifier: Apache-2.0
// All members but one give their witnesses other keys. The old ones hand over, and are the
// attacker's from then on: what it makes of them is retired-gateway.ts.
import { signCharterKey } from '@cloister/contract';
import { passing } from '../endpoint.ts';
import type { Gateway } from '../gateways.ts';
import type { Stage } from '../stage.ts';
import { amending, amendWith, type Scene, say } from './charters.ts';

const POLL_MS = 50;
const STOPPED_MS = 200;

export async function retiredWitnesses({ stage, gateways }: Scene): Promise<void> {
  const { world, network, traitor } = stage;
  const rotating = gateways.filter(({ name }) => name !== traitor);
  const names = rotating.map(({ name }) => name);
  const next = (member: string) => stage.shared.signer(`${member}/witness-2`);
  const members = world.inForce.members.map((one) => {
    return names.includes(one.id) ? { ...one, witness: next(one.id).key } : one;
  });
  // Who names a key first and cannot speak for it keeps nobody from it.
  const named = world.inForce.members.map((one) => {
    return one.id === traitor ? { ...one, witness: next(names[0] as string).key } : one;
  });
  await say(stage, traitor, 'amend', amending(stage, { members: named }));
  await amendWith(stage, names, { members }, async (amend) => {
    for (const name of names) await speak(stage, name, { amend, witness: next(name) });
  });
  while (!(await allHandOver(rotating))) await network.sleep(POLL_MS);
  for (const gateway of rotating) {
    gateway.takeKey(STOPPED_MS);
    await network.sleep(POLL_MS);
  }
  network.count('witnesses-rotated');
}

/** A new witness key says that it is this member's. */
async function speak(
  stage: Stage,
  member: string,
  of: { amend: Uint8Array; witness: Parameters<typeof signCharterKey>[0] },
): Promise<void> {
  const { world } = stage;
  const { amend, witness } = of;
  const identity = stage.key(member, 'identity');
  const about = { genesis: world.genesis, amend, identity: identity.key };
  const word = await signCharterKey(witness, member, about);
  await stage.order(await world.sign(identity, 'sign', { amend, witness: word }));
}

/** Old keys do not stay: what hands over is there before they go. */
async function allHandOver(gateways: readonly Gateway[]): Promise<boolean> {
  const notes = await Promise.all(
    gateways.map(async (gateway) => {
      try {
        return await gateway.real.handovers.list(1);
      } catch (error) {
        return passing(error);
      }
    }),
  );
  return notes.every((list) => list !== undefined && list.length > 0);
}
