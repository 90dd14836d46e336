// SPDX-License-Identifier: Apache-2.0
// Amendments of a world's charter: proposed, signed by whom the test names, new keys shown.
import { type CharterBody, charterDigest, signCharterKey } from '@cloister/contract';
import type { Signer } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { namedPoint, namedSigner } from './keys.ts';
import type { Submitted, World } from './world.ts';

/** A charter's body that can be written to. */
export type CharterDraft = { -readonly [K in keyof CharterBody]: CharterBody[K] };

/** The next version of the charter in force, changed. */
export function nextCharter(world: World, change: (draft: CharterDraft) => void): CharterBody {
  const draft = structuredClone(world.inForce) as CharterDraft;
  draft.version += 1;
  change(draft);
  return draft;
}

/** Submits an amendment to `after`, whatever becomes of it. */
export function propose(
  world: World,
  after: CharterBody,
  by: {
    author?: string;
    signer?: Signer;
    before?: Uint8Array;
    replaces?: string[];
    within?: number;
  } = {},
): Promise<Submitted> {
  const author = by.author ?? (world.inForce.members[0]?.id as string);
  const before = by.before ?? charterDigest(world.inForce, nodeCrypto);
  const body = { before, charter: after, ...(by.replaces && { replaces: by.replaces }) };
  const within = by.within === undefined ? {} : { within: by.within };
  return world.put(by.signer ?? world.identity(author), 'amend', { ...body, ...within });
}

/** Submits a signature under the amendment; a new witness key's word goes with it. */
export async function sign(
  world: World,
  amend: Uint8Array,
  by: { signer: Signer; witness?: Signer },
): Promise<Submitted> {
  const { signer, witness } = by;
  if (witness === undefined) return world.put(signer, 'sign', { amend });
  const about = { genesis: world.genesis, amend, identity: signer.key };
  const word = await signCharterKey(witness, 'specimen', about);
  return world.put(signer, 'sign', { amend, witness: word });
}

/**
 * Proposes the changed charter and has these members sign, by default all of them; answers the
 * amendment's id. What else it needs, new keys' words, the test brings.
 */
export async function amend(
  world: World,
  change: (draft: CharterDraft) => void,
  by: { signers?: readonly string[]; replaces?: string[] } = {},
): Promise<Uint8Array> {
  const [author, ...others] = by.signers ?? world.inForce.members.map(({ id }) => id);
  const after = nextCharter(world, change);
  const about = { ...(author && { author }), ...(by.replaces && { replaces: by.replaces }) };
  const { outcome, event } = await propose(world, after, about);
  if (outcome.status === 'void' || event === undefined) {
    throw new Error(`the amendment is void: ${JSON.stringify(outcome)}`);
  }
  for (const id of others) {
    if (world.inForce.version === after.version) break;
    await world.must(world.identity(id), 'sign', { amend: event.id });
  }
  return event.id;
}

/** A member as charters list one, with keys of its name, or of another name. */
export function memberNamed(world: World, id: string, keys = id): CharterBody['members'][number] {
  return {
    id,
    name: `The ${id}`,
    identity: world.identity(keys).key,
    witness: world.witness(keys).key,
    hpke: namedPoint(world.seed, `${keys}/hpke`),
  };
}

/** The two signers of such a member. */
export function keysNamed(world: World, keys: string): { signer: Signer; witness: Signer } {
  const named = (what: string) => namedSigner(world.seed, `${keys}/${what}`);
  return { signer: named('identity'), witness: named('witness') };
}
