// SPDX-License-Identifier: Apache-2.0
// A member or an operator leaves by the others' amendment and goes on as before: with the run that
// its worker had open, with the task that it had been granted, and in everything that members say.
import { namedBytes } from '../../world/index.ts';
import { Attacker } from '../attacker.ts';
import { fromHexKey, MEMBERS, type Stage } from '../stage.ts';
import { amending, amendWith, type Change, type Scene, say } from './charters.ts';

export const LEAVER = 'lab';
const ROUNDS = 8;
const POLL_MS = 150;
const YEAR_MS = 365 * 86_400_000;

export async function departed({ stage, task, keepers }: Scene): Promise<void> {
  const { network } = stage;
  const how = network.pick(['member', 'operator', 'both']);
  const at = { operator: LEAVER };
  const begun = await task({ runs: 3 });
  const own = await task({ runs: 3, proposer: LEAVER });
  const before = new Attacker(stage, { name: 'left-running', task: begun, keepers, at });
  const join = await before.join();
  const others = MEMBERS.filter((member) => member !== LEAVER);
  await amendWith(stage, others, without(stage, how));
  network.count(`adversary: the ${how} left`);
  network.go(before.ask(join));
  const again = new Attacker(stage, { name: 'left-again', task: own, keepers, at });
  network.go(again.attack());
  if (how !== 'operator') network.go(talk(stage, own.id));
}

function without({ world }: Stage, how: string): Change {
  const { members, operators } = world.inForce;
  const others = { members: members.filter(stays), operators: operators.filter(stays) };
  if (how === 'operator') return { operators: others.operators };
  return how === 'member' ? { members: others.members } : others;
}

const stays = ({ id }: { readonly id: string }): boolean => id !== LEAVER;

/** Everything that a member may say, again and again. */
async function talk(stage: Stage, task: Uint8Array): Promise<void> {
  const { world, network } = stage;
  const { state } = world;
  for (let i = 0; i < ROUNDS; i++) {
    await network.sleep(POLL_MS);
    const time = stage.clock.now() + YEAR_MS;
    const tick = { time };
    await stage.order(await world.sign(stage.key(LEAVER, 'witness'), 'tick', tick));
    await say(stage, LEAVER, 'close', {});
    await say(stage, LEAVER, 'task', world.taskBody([], {}));
    await say(stage, LEAVER, 'decline', { task, code: 'policy-hidden' });
    await say(stage, LEAVER, 'dataset', world.datasetBody({}));
    const amend = await say(stage, LEAVER, 'amend', amending(stage, { name: `theirs ${i}` }));
    await say(stage, LEAVER, 'sign', { amend });
    const { joins = [] } = state.epochs.get(state.activeEpoch ?? '') ?? {};
    await say(stage, LEAVER, 'epoch', { joins: joins.map(fromHexKey) });
    const [wanted] = state.proposals.keys();
    const epoch = wanted === undefined ? namedBytes('no', 'epoch') : fromHexKey(wanted);
    await say(stage, LEAVER, 'consent', { epoch });
  }
}
