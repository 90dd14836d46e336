// SPDX-License-Identifier: Apache-2.0
// A member that hosts the ledger and sees each node's join before it lands. It puts one of its own
// before it that names the same TLS and HPKE keys, and proposes a charter in which the node's
// signing key is its own: whoever names a key later would be kept out.
import { countersignJoin } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { hardwareOf } from '../../world/index.ts';
import { passing } from '../endpoint.ts';
import type { Stage } from '../stage.ts';
import { amending, say } from './charters.ts';

/** The operator that has no seat. */
const OWN = 'lab';

export function squat(stage: Stage): void {
  const named = new Set<string>();
  stage.overtake = async (bytes) => {
    const { honestKeepers, honestWorkers, shared, network } = stage;
    const event = await shared.admission(bytes, shared.crypto).catch(passing);
    if (event?.kind !== 'join') return;
    const node = toHex(event.signer);
    const honest = honestKeepers.has(node) || honestWorkers.has(node);
    if (!honest || named.has(node)) return;
    named.add(node);
    network.count('adversary: squatted keys');
    const { tls, hpke, evidence, checkpoint } = event.body;
    await stage.order(await ownJoin(stage, node, { tls, hpke, evidence, checkpoint }));
    const members = stage.world.inForce.members.map((one) => {
      return one.id === stage.traitor ? { ...one, identity: event.signer } : one;
    });
    await say(stage, stage.traitor, 'amend', amending(stage, { members }));
  };
}

async function ownJoin(
  stage: Stage,
  node: string,
  keys: { tls: Uint8Array; hpke: Uint8Array; evidence: Uint8Array; checkpoint: Uint8Array },
): Promise<Uint8Array> {
  const { world, shared } = stage;
  const id = stage.environment(OWN, 'keeper');
  const [pinned] = world.inForce.environments.find((one) => one.id === id)?.measurements ?? [];
  const inner = await world.sign(shared.signer(`squatter/${node}`), 'join', {
    role: 'keeper',
    operator: OWN,
    charter: world.inForce.version,
    environment: id,
    hardware: hardwareOf(world.seed, OWN, 'keeper'),
    measurement: pinned?.measurement ?? new Uint8Array(32),
    ...keys,
  });
  return countersignJoin(stage.key(OWN, 'operator'), OWN, inner);
}
