// SPDX-License-Identifier: Apache-2.0
// What one member does by itself against the others, with its own keys: collateral that is nowhere
// or newest for good, a tick far in the future, an epoch that nobody else wants; and a network that
// repeats what workers ask of keepers.
import type { EventKind, Said } from '@cloister/contract';
import { namedBytes } from '../world/index.ts';
import type { Message } from './network.ts';
import { fromHexKey, MEMBERS, type Stage } from './stage.ts';

const LATEST_MS = 4_000;
const POLL_MS = 100;
const REPEAT_MS = 120;
const YEARS_MS = 10 * 365 * 86_400_000;
const HIGHEST = 2 ** 40;

/** Begins what the seed's adversary does by itself, if it is such a one. */
export function scheme(stage: Stage): void {
  const { network, adversary } = stage;
  if (adversary === 'repeats-requests') network.onDelivered = (message) => repeat(stage, message);
  const at = Math.floor(network.choose() * LATEST_MS);
  const work = WORK[adversary ?? ''];
  if (work !== undefined) network.after(at, () => network.go(work(stage)));
}

const WORK: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  'withholds-collateral': async (stage) => {
    const digest = namedBytes(stage.label, 'collateral that is nowhere');
    await collateral(stage, stage.traitor, { number: 2, digest });
  },
  'pins-collateral': async (stage) => {
    const digest = stage.putBlob(namedBytes(stage.label, 'any collateral'));
    await collateral(stage, stage.traitor, { number: HIGHEST, digest });
    await stage.network.sleep(POLL_MS);
    const other = MEMBERS.find((member) => member !== stage.traitor) as string;
    await publishCollateral(stage, other, 2);
  },
  'future-tick': async (stage) => {
    const time = stage.clock.now() + YEARS_MS;
    await put(stage, stage.traitor, 'tick', { time });
  },
  'moves-key': async (stage) => {
    const { state } = stage.world;
    while (state.activeEpoch === null || state.formingEpoch !== null) {
      await stage.network.sleep(POLL_MS);
    }
    const { joins } = state.epochs.get(state.activeEpoch) as { joins: readonly string[] };
    const turned = [...joins.slice(1), joins[0] as string].map(fromHexKey);
    await put(stage, stage.traitor, 'epoch', {
      joins: turned,
      from: fromHexKey(state.activeEpoch),
    });
  },
};

async function put<K extends EventKind>(
  stage: Stage,
  member: string,
  kind: K,
  said: Said<K>,
): Promise<void> {
  stage.network.count(`adversary: ${kind}`);
  const signer = stage.key(member, kind === 'tick' ? 'witness' : 'identity');
  await stage.order(await stage.world.sign(signer, kind, said));
}

async function collateral(
  stage: Stage,
  member: string,
  of: { number: number; digest: Uint8Array },
): Promise<void> {
  await put(stage, member, 'collateral', {
    tee: COLLATERAL.tee,
    subject: COLLATERAL.subject,
    ...of,
  });
}

/** What evidence of the first make is appraised with, if the ledger names any. */
export const COLLATERAL = { tee: 'sgx-dcap', subject: 'platform' } as const;

/** An honest member publishes collateral, and every gateway has it. */
export async function publishCollateral(
  stage: Stage,
  member: string,
  number: number,
): Promise<void> {
  const digest = stage.putBlob(namedBytes(stage.label, `collateral ${number}`));
  const said = { ...COLLATERAL, number, digest };
  await stage.order(await stage.world.sign(stage.key(member, 'identity'), 'collateral', said));
}

/** The same request again, as the network has seen it. */
function repeat(stage: Stage, { from, to, kind, body }: Message): void {
  const asked = kind === 'open' || kind === 'challenge';
  if (!asked || !from.startsWith('worker') || body['repeated'] === true) return;
  const { network } = stage;
  network.count('repeated-request');
  const again = { ...body, call: network.call(), repeated: true };
  network.after(REPEAT_MS, () => network.send(from, to, kind, again));
}
