// SPDX-License-Identifier: Apache-2.0
// Collateral by parts: the newest of each root key, part, subject and evaluation number, by the
// dates that makers themselves sign. Members only carry: whoever brings a part, its maker's word
// counts (`admit`), so nobody pins, rolls back or blocks what others bring. What evidence is judged
// with is chosen from the state alone, so whoever judges at one head judges alike.
// spec/events.md, "collateral"; docs/design/collateral-by-parts.md.
//
// Bounds: parts under roots of the charter only; evaluation numbers that an environment takes, and
// of those the EVALUATIONS_KEPT highest that each takes of a subject; SUBJECTS_A_MEMBER subjects of
// one root and part for each member who brought them first.
import { equal, toHex } from '@cloister/core';
import type { PartFacts, PartNeed } from '@cloister/evidence';
import type { Environment } from '../charter/body.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { charterOf, memberByIdentity } from './lookup.ts';
import type { FoldState, KeptPart } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Evaluation numbers kept of one subject an environment. Intel keeps up to three alive. */
export const EVALUATIONS_KEPT = 4;
/** Subjects of one root and part that one member may be the first to bring. */
export const SUBJECTS_A_MEMBER = 16;

export function foldCollateral(state: FoldState, event: AdmittedEvent<'collateral'>): Verdict {
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  // `admit` has read every part.
  const made = event.made as PartFacts;
  const refused = judgeWanted(state, made) ?? judgeDates(state, made);
  if (refused !== undefined) return refused;
  const key = partKey(made);
  const kept = state.collateral.get(key);
  if (kept !== undefined && !isNewer(made, kept)) {
    const got = `${key.slice(65)}: got ${made.issued}, here is ${kept.issued}`;
    return voided('collateral-not-newer', got);
  }
  const known = siblingsOf(state, made);
  const siblings = known.filter((sibling) => isStillWanted(state, sibling));
  const by = kept?.by ?? siblings[0]?.by ?? member.id;
  if (siblings.length === 0 && broughtBy(state, member.id, made) >= SUBJECTS_A_MEMBER) {
    return voided('collateral-quota', `${SUBJECTS_A_MEMBER} subjects of ${made.part}`);
  }
  const numbers = new Set([made.evaluation, ...siblings.map(({ evaluation }) => evaluation)]);
  const needed = neededOf(state, made, [...numbers]);
  if (!needed.has(made.evaluation)) {
    return voided('collateral-evaluation', `got ${made.evaluation}`);
  }
  for (const { evaluation } of known.filter((sibling) => !siblings.includes(sibling))) {
    state.collateral.delete(partKey({ ...made, evaluation }));
  }
  for (const evaluation of numbers) {
    if (!needed.has(evaluation)) state.collateral.delete(partKey({ ...made, evaluation }));
  }
  const { rootKey, subject, evaluation, issued, until, chainUntil } = made;
  const facts = { rootKey, subject, evaluation, issued, until, chainUntil };
  state.collateral.set(key, { body: event.body, ...facts, by, event: event.key });
  return undefined;
}

/** A root of the charter, and a number that an environment under it takes. */
function judgeWanted(
  state: FoldState,
  { rootKey, part, evaluation }: Pick<PartFacts, 'rootKey' | 'part' | 'evaluation'>,
): Verdict {
  const under = charterOf(state).environments.filter((e) => equal(e.rootKey, rootKey));
  if (under.length === 0) return voided('collateral-root', `got ${toHex(rootKey).slice(0, 16)}`);
  if (!isNumbered(part) || under.some((e) => takes(e, evaluation))) return undefined;
  const wanted = under.map((e) => `${e.evaluation.least} to ${e.evaluation.most ?? 'any'}`);
  return voided('collateral-evaluation', `got ${evaluation}, wanted ${wanted.join(' or ')}`);
}

/** Of these numbers the highest few that each environment under the root takes. */
function neededOf(
  state: FoldState,
  { rootKey, part }: Pick<PartFacts, 'rootKey' | 'part'>,
  numbers: readonly number[],
): Set<number> {
  const highest = [...numbers].sort((a, b) => b - a);
  const under = charterOf(state).environments.filter((e) => equal(e.rootKey, rootKey));
  return new Set(
    under.flatMap((environment) => {
      const taken = highest.filter((one) => !isNumbered(part) || takes(environment, one));
      return taken.slice(0, EVALUATIONS_KEPT);
    }),
  );
}

function judgeDates({ clock }: FoldState, { issued, until, chainUntil }: PartFacts): Verdict {
  if (issued > clock) {
    const got = `dated ${issued}, the clock is ${clock}`;
    return voided('collateral-from-the-future', got);
  }
  const end = Math.min(until, chainUntil);
  if (end >= clock) return undefined;
  return voided('collateral-expired', `ended ${end}, the clock is ${clock}`);
}

/** Whether the state has this part already, or a newer one. */
export function hasPart(state: FoldState, made: PartFacts): boolean {
  const kept = state.collateral.get(partKey(made));
  return kept !== undefined && !isNewer(made, kept);
}

/** A charter that was amended may take a number no more: such a part gives way. */
function isStillWanted(state: FoldState, kept: KeptPart): boolean {
  return judgeWanted(state, { ...kept, part: kept.body.part }) === undefined;
}

/** By date; of one date the one whose certificates last longer (a signer's may be re-issued). */
function isNewer(made: PartFacts, kept: KeptPart): boolean {
  if (made.issued !== kept.issued) return made.issued > kept.issued;
  return made.chainUntil > kept.chainUntil;
}

function isNumbered(part: PartFacts['part']): boolean {
  return part === 'tcb-info' || part === 'qe-identity';
}

function takes({ evaluation: { least, most } }: Environment, number: number): boolean {
  return number >= least && (most === undefined || number <= most);
}

type Slot = Pick<PartFacts, 'rootKey' | 'part' | 'subject' | 'evaluation'>;

function partKey({ rootKey, part, subject, evaluation }: Slot): string {
  return `${toHex(rootKey)}/${part}/${subject}/${evaluation}`;
}

/** Parts of the same root, name and subject, under whatever evaluation numbers. */
function siblingsOf(
  state: Pick<FoldState, 'collateral'>,
  slot: Omit<Slot, 'evaluation'>,
): KeptPart[] {
  const found: KeptPart[] = [];
  for (const [key, kept] of state.collateral) {
    if (key === partKey({ ...slot, evaluation: kept.evaluation })) found.push(kept);
  }
  return found;
}

/** How many subjects of this root and part a member brought first, this one apart. */
function broughtBy(state: FoldState, member: string, made: PartFacts): number {
  const { rootKey, part, subject } = made;
  const subjects = new Set<string>();
  for (const kept of state.collateral.values()) {
    if (kept.by !== member || kept.body.part !== part || !equal(kept.rootKey, rootKey)) continue;
    if (kept.subject !== subject) subjects.add(kept.subject);
  }
  return subjects.size;
}

/**
 * What evidence of an environment is judged with, as the state stands: of each part needed the one
 * in force at the clock with the highest evaluation number that the environment takes. TCB info and
 * identity are chosen each for itself: makers issue them days apart, and one that is withheld holds
 * the other back from nobody. `missing` names the first part of which none is in force.
 */
export function chooseParts(
  state: Pick<FoldState, 'collateral' | 'clock'>,
  environment: Environment,
  needs: readonly PartNeed[],
): { parts: KeptPart[] } | { missing: PartNeed } {
  const { rootKey } = environment;
  const parts: KeptPart[] = [];
  for (const need of needs) {
    const [best] = siblingsOf(state, { rootKey, ...need })
      .filter((kept) => !isNumbered(need.part) || takes(environment, kept.evaluation))
      .filter((kept) => inForce(kept, state.clock))
      .sort((a, b) => b.evaluation - a.evaluation);
    if (best === undefined) return { missing: need };
    parts.push(best);
  }
  return { parts };
}

/** Whether a part is in force at this time. */
export function inForce({ issued, until, chainUntil }: KeptPart, at: number): boolean {
  return issued <= at && at <= Math.min(until, chainUntil);
}
