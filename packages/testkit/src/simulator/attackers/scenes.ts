// SPDX-License-Identifier: Apache-2.0
// The attackers that play where a charter changes: one scene, once the data is sealed.
import type { Adversary } from '../adversaries.ts';
import type { Scene } from './charters.ts';
import { departed } from './departed.ts';
import { replays } from './replays.ts';
import { retiredWitnesses } from './retired-witnesses.ts';
import { widening } from './widening.ts';

const SCENES: Readonly<Partial<Record<Adversary, (scene: Scene) => Promise<void>>>> = {
  'widens-over-owner': widening,
  'goes-on': departed,
  'replays-signatures': replays,
  'retired-witnesses': retiredWitnesses,
};

/** Plays the scene of the seed's adversary, if it has one, in calm weather. */
export async function playScene(scene: Scene): Promise<void> {
  const { adversary, network } = scene.stage;
  const play = adversary === undefined ? undefined : SCENES[adversary];
  if (play === undefined) return;
  await network.sleep(Math.max(0, network.calmAt - network.now));
  await play(scene);
}
