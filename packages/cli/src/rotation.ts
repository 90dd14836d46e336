// SPDX-License-Identifier: Apache-2.0
// A rotation of the keepers from plan to done: name the seats, follow the attempt, repeat it
// without those at fault, and after a new key wait until the members' gateways have
// sealed to it. Only the named gateway is asked; each step is told to `say`.
//
// Invariant: it ends well only when an epoch that it named is active and, for a new key, every
// dataset of a member whose gateway answers is sealed to it. Whatever else ends it has a code.
import type { AdminClient, Attempt, Resealing, RotationPlan } from '@cloister/api';
import { type CodedError, isCoded } from '@cloister/core';
import { cliError } from './errors.ts';
import { isPassing, patiently } from './patience.ts';

export interface RotationOptions {
  /** Join ids in seat order, or none. */
  readonly join: readonly string[];
  readonly newKey: boolean;
  readonly refresh: boolean;
  /** Seconds for everything together. */
  readonly wait: number;
}

/** One try at an epoch and what became of it. */
export interface TriedEpoch {
  readonly epoch: string;
  readonly status: Attempt['status'];
  readonly end: Attempt['end'];
}

export interface Rotated {
  readonly plan: RotationPlan;
  readonly attempts: readonly TriedEpoch[];
  readonly groupKey: string | null;
  /** For a new key: who has sealed, and who has not. */
  readonly resealing: Resealing;
}

export type Say = (line: string) => void;

/**
 * Carries out a rotation.
 * @throws CodedError those of the gateway's plan when the time is up, `epoch-ended` when keepers
 *   ended an attempt and excluded nobody, `epoch-timed-out`, `reseal-pending`
 */
export async function rotate(
  admin: AdminClient,
  options: RotationOptions,
  tell: { plan: (plan: RotationPlan) => void; say: Say },
): Promise<Rotated> {
  const end = performance.now() + options.wait * 1_000;
  const left = () => Math.max(0, (end - performance.now()) / 1_000);
  const attempts: TriedEpoch[] = [];
  for (;;) {
    const plan = await planned(admin, options, { seconds: left(), say: tell.say });
    if (plan.kind === 'none') return { plan, attempts, groupKey: null, resealing: [] };
    tell.plan(plan);
    const epoch = await named(admin, plan);
    if (epoch === undefined) continue;
    const attempt = await followed(admin, epoch, { seconds: left(), say: tell.say });
    if (attempt === undefined) continue;
    attempts.push({ epoch, status: attempt.status, end: attempt.end });
    if (attempt.status !== 'ended') {
      const { groupKey } = attempt;
      if (plan.kind === 'reshare') return { plan, attempts, groupKey, resealing: [] };
      const resealing = await sealed(admin, { seconds: left(), say: tell.say });
      return { plan, attempts, groupKey, resealing };
    }
    tell.say(endedLine(attempt));
    const excluded = attempt.end?.faults ?? [];
    const again = excluded.length > 0 && options.join.length === 0 && left() > 0;
    if (!again) throw endedFor(attempt, options);
  }
}

async function planned(
  admin: AdminClient,
  { join, newKey, refresh }: RotationOptions,
  { seconds, say }: { seconds: number; say: Say },
): Promise<RotationPlan> {
  let told = '';
  const waits = (error: unknown) => {
    // Keepers that start can lift it, unless the joins are named.
    const others = join.length === 0 && isCoded(error, 'epoch-impossible');
    if (!others && !isPassing(error) && !isCoded(error, 'epoch-forming')) return false;
    const { message } = error as CodedError;
    if (told !== message && seconds > 0) say(`waiting: ${message}`);
    told = message;
    return true;
  };
  const ask = () => admin.planRotation({ joins: [...join], newKey, refresh });
  return (await patiently(seconds, ask, waits)) as RotationPlan;
}

/** The epoch's id, or undefined when somebody else's came first: plan again. */
async function named(admin: AdminClient, plan: RotationPlan): Promise<string | undefined> {
  try {
    const joins = plan.seats.map((seat) => seat.join);
    return (await admin.formEpoch(joins, plan.from)).id;
  } catch (error) {
    const overtaken = new Set(['epoch-forming', 'epoch-from-not-active', 'epoch-join-excluded']);
    const code = isCoded(error, 'event-void') ? String(error.details['code']) : '';
    if (overtaken.has(code)) return undefined;
    throw error;
  }
}

/** Follows an attempt until it is active or has ended; undefined: another came before it. */
async function followed(
  admin: AdminClient,
  epoch: string,
  { seconds, say }: { seconds: number; say: Say },
): Promise<Attempt | undefined> {
  let told = '';
  let last: Attempt | undefined;
  const done = await patiently(seconds, async () => {
    const now = await admin.attempt(epoch).catch(isGone);
    if (now === undefined) return 'gone';
    last = now;
    if (now.status !== 'forming' && now.status !== 'proposed') return now;
    const line = now.agreed === null ? PHASES[now.phase] : wantedLine(now.agreed);
    if (told !== line) say(line);
    told = line;
    return undefined;
  });
  if (done !== undefined) return done === 'gone' ? undefined : done;
  if (last?.agreed != null) {
    const command = `cloister keeper consent ${epoch.slice(0, 16)}`;
    const hint = `their people may say so (${command}), or --wait longer`;
    throw cliError('epoch-timed-out', `${wantedLine(last.agreed)}: ${hint}`);
  }
  const who = last?.waitsFor.map((card) => `${card.operator} (${card.tee})`).join(', ') ?? '';
  const message = `after ${Math.round(seconds)} s the attempt waits for ${who}: --wait longer`;
  throw cliError('epoch-timed-out', message);
}

/** A proposal that another epoch came before is no more. */
function isGone(error: unknown): undefined {
  if (!isCoded(error, 'epoch-unknown')) throw error;
  return undefined;
}

function wantedLine({ by, wanted }: NonNullable<Attempt['agreed']>): string {
  return `waits for members: ${by.length} of ${wanted} want it (${by.join(', ')})`;
}

const PHASES: Readonly<Record<Attempt['phase'], string>> = {
  commit: 'the keepers check each other and commit',
  reveal: 'all have committed; they reveal and deal',
  ack: 'all have dealt; they check their shares and acknowledge one transcript',
};

function endedLine({ end }: Attempt): string {
  const excluded = end?.faults.map((card) => `${card.operator} (${card.tee})`).join(', ');
  const what = `the attempt ended (${end?.code}): wanted ${end?.wanted}, got ${end?.got}`;
  return excluded ? `${what}; at fault: ${excluded}` : what;
}

/** A keeper may err or lie: only people can tell which of two to leave out. */
const ONE_WORD =
  'it is the word of one keeper, and this gateway finds every seat in order: ' +
  'leave out the one or the other by --join';

function endedFor(attempt: Attempt, options: RotationOptions): CodedError {
  const { end } = attempt;
  const found = end?.found.map((f) => `${f.operator}: ${f.code}, wanted ${f.wanted}, got ${f.got}`);
  const why =
    (found?.length ?? 0) > 0
      ? `this gateway finds the same: ${found?.join('; ')}`
      : (end?.faults.length ?? 0) > 0
        ? options.join.length > 0
          ? 'name other joins, or none'
          : 'no time is left to repeat it (--wait)'
        : ONE_WORD;
  return cliError('epoch-ended', `${endedLine(attempt)}. ${why}`);
}

/** Waits until every dataset of members that answer is sealed; says who is left. */
async function sealed(
  admin: AdminClient,
  { seconds, say }: { seconds: number; say: Say },
): Promise<Resealing> {
  let told = '';
  let last: Resealing = [];
  const done = await patiently(seconds, async () => {
    last = await admin.resealing();
    const line = waitingLine(last);
    if (line !== '' && line !== told) say(`sealing again: waits for ${line}`);
    told = line;
    return last.every((owner) => owner.waiting.length === 0 || !owner.answers) ? last : undefined;
  });
  if (done !== undefined) return done;
  const own = last.find((owner) => owner.fault !== null)?.fault;
  const why = own == null ? '' : `; this gateway does not seal (${own.code}): ${own.sentence}`;
  const message = `the new key is in force, but not sealed to it: ${waitingLine(last)}${why}`;
  throw cliError('reseal-pending', message);
}

export function waitingLine(resealing: Resealing): string {
  return resealing
    .filter((owner) => owner.waiting.length > 0)
    .map(({ owner, waiting, answers }) => {
      const names = waiting.map(({ name, version }) => `${name} version ${version}`).join(', ');
      return `${owner} (${names}${answers ? '' : '; its gateway does not answer'})`;
    })
    .join(', ');
}
