// SPDX-License-Identifier: Apache-2.0
// Members wanted a program in the charter and thought better of it. What they had signed for it by
// then a member has kept back: an amendment with all its signatures, and the signature that another
// one still waited for. It brings them once the charter is another, and would have the signatures
// count for an amendment of its own.
import { Attacker } from '../attacker.ts';
import { eventId, type Stage } from '../stage.ts';
import { amending, amendWith, anyWorker, NEWER, type Scene, say, withProgram } from './charters.ts';

const KEEPS = 'lab';
const [ONE, OTHER, THIRD] = ['insurer', 'hospital', 'bank'] as const;

export async function replays({ stage, task, keepers }: Scene): Promise<void> {
  const { network } = stage;
  const body = amending(stage, withProgram(stage, NEWER));
  const kept = await signedBy(stage, ONE, 'amend', body);
  const words = await signaturesOf(stage, eventId(kept), [OTHER, THIRD]);
  const open = await say(stage, OTHER, 'amend', body);
  await say(stage, THIRD, 'sign', { amend: open });
  const last = await signaturesOf(stage, open, [ONE]);
  const from = stage.tree.size;
  await amendWith(stage, [THIRD, OTHER, ONE], { name: 'Without it' });
  const settled = stage.world.log.slice(from);
  network.count('adversary: replays');
  const own = await say(stage, KEEPS, 'amend', amending(stage, withProgram(stage, NEWER)));
  await say(stage, KEEPS, 'sign', { amend: own });
  for (const bytes of [kept, ...words, ...last]) await stage.order(bytes);
  for (const bytes of settled) await stage.orderAgain(bytes);
  const asked = { worker: anyWorker(stage) };
  const at = { measurement: NEWER };
  const of = { name: 'replayed', task: await task(asked), keepers, at, sound: false };
  network.go(new Attacker(stage, of).attack());
}

function signedBy(stage: Stage, member: string, kind: 'amend', body: ReturnType<typeof amending>) {
  return stage.world.sign(stage.key(member, 'identity'), kind, body);
}

function signaturesOf(stage: Stage, amend: Uint8Array, members: readonly string[]) {
  const sign = (member: string) =>
    stage.world.sign(stage.key(member, 'identity'), 'sign', { amend });
  return Promise.all(members.map(sign));
}
