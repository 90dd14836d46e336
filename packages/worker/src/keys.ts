// SPDX-License-Identifier: Apache-2.0
// From evidence to keys: partial openings from t keepers, combination, and blame when a tag fails.
// Master keys exist in this process's memory only and are wiped when they have been used.
//
// Invariants
// - Nothing a keeper answers is believed before the AEAD tag of every key holds under it; a keeper
//   that answers for another seat or epoch, leaves out a column or sends no point is left out.
// - As long as t of the keepers that answer are honest the keys are had, whatever the others say:
//   when a tag fails, each answer is kept only with a proof that holds under its seat's public
//   share, and where that leaves too few, all keepers are asked once more with more time; whoever
//   could not answer just then may do so the second time.
// - Only columns that the task asked for are ever wanted.
import { decodeOpened, openAnswerInfo, type PartialOpening } from '@cloister/api';
import { gather, isPassing, tidyCode } from '@cloister/attested';
import {
  BLOB_MOST,
  columnsOpened,
  type Epoch,
  encodeTaskOpenings,
  openedColumns,
  openingsInfo,
  type Rights,
  type TaskContents,
  type TaskOpenings,
} from '@cloister/contract';
import type { Suppression } from '@cloister/contract/policy';
import { equal, fromHex, isCoded } from '@cloister/core';
import { parsePoint, parseSealedKey, type SealedKey } from '@cloister/threshold';
import { combinePartials, hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import type { TreeHead } from '@cloister/tlog';
import { settleBlame } from './blame.ts';
import type { InputKeys } from './data-plane.ts';
import { workerError } from './errors.ts';
import type { RunIdentity } from './identity.ts';
import {
  askFirstSeats,
  type Holder,
  QUICK_MS,
  type Reached,
  reachKeepers,
  SLOW_MS,
  seatsOf,
} from './keepers.ts';
import type { WorkerPorts } from './ports.ts';
import { checkReceipt } from './receipts.ts';

const NO_AAD = new Uint8Array(0);
const OPEN_MS = 20_000;
/** A challenge lives for a minute: one that waited longer than this is drawn again. */
const STALE_MS = 20_000;
const MAX_PREFETCHED = 64;

type Allowed = Extract<Rights, { ok: true }>;

/** What can be begun before the code is planned: keepers reached, sealed keys fetched. */
export interface KeyStart {
  readonly join: Uint8Array;
  readonly head: TreeHead;
  readonly rights: Allowed;
  readonly epoch: Epoch;
  readonly reached: Promise<Reached>;
  readonly sealed: (digest: Uint8Array) => Promise<Uint8Array>;
}

export interface KeyRequest {
  readonly openings: TaskOpenings;
  readonly contents: TaskContents;
  readonly suppression: readonly Suppression[];
}

/** What keepers opened, one item an input, and the receipts of t seats for it. */
export interface ObtainedKeys {
  readonly keys: InputKeys[];
  readonly columns: ReturnType<typeof columnsOpened>;
  readonly receipts: readonly Uint8Array[];
}

/** One sealed key that is asked for. */
interface Wanted {
  readonly input: number;
  readonly column: number;
  readonly sealed: SealedKey;
  readonly label: Uint8Array;
}

interface Answer extends Holder {
  readonly points: readonly Uint8Array[];
  readonly receipt: Uint8Array;
}

interface Asking {
  readonly start: KeyStart;
  readonly openings: Uint8Array;
  readonly wanted: readonly Wanted[];
}

/** Keys in the order of what was wanted, and what the seats that gave them signed. */
interface Combined {
  readonly keys: readonly Uint8Array[];
  readonly receipts: readonly Uint8Array[];
}

/** How a round of asking ended: with keys, or with why not. */
interface Round {
  readonly combined: Combined | undefined;
  /** Distinct seats that answered in form. */
  readonly answered: number;
  /** Keepers that answered wrongly, by address. */
  readonly faulty: readonly string[];
  /** Whether someone was not heard who may yet help. */
  readonly unheard: boolean;
  readonly failures: readonly unknown[];
}

/** Begins what needs no planning. @throws nothing: failures are met in `obtainKeys` */
export function startKeys(
  ports: WorkerPorts,
  identity: RunIdentity,
  of: { join: Uint8Array; head: TreeHead; rights: Allowed },
): KeyStart {
  const { join, head, rights } = of;
  const epoch = ports.follower.state.epochs.get(rights.epoch) as Epoch;
  const about = { join, head, epochKey: rights.epoch, epoch, owners: rights.owners };
  const reached = reachKeepers(ports, identity, { ...about, graceMs: QUICK_MS });
  reached.catch(() => undefined);
  const known = new Map<Uint8Array, Promise<Uint8Array>>();
  const sealed = (digest: Uint8Array) => {
    const fetching = known.get(digest) ?? identity.blobs.get(digest, BLOB_MOST.sealedKey);
    known.set(digest, fetching);
    return fetching;
  };
  const asked = rights.inputs.flatMap(({ input, body }) =>
    body.columns.filter(({ id }) => id === 0 || input.columns.includes(id)),
  );
  for (const column of asked.slice(0, MAX_PREFETCHED)) {
    sealed(column.sealed).catch(() => known.delete(column.sealed));
  }
  return { join, head, rights, epoch, reached, sealed };
}

/**
 * The master keys of every column that the run reads, one map an input, with the keepers' receipts.
 * @throws CodedError `keepers-too-few`, `keepers-refused` with the refusal in its details,
 * `key-opening-failed`,
 * those of `openedColumns`, and the freshness codes
 */
export async function obtainKeys(
  ports: WorkerPorts,
  identity: RunIdentity,
  start: KeyStart,
  request: KeyRequest,
): Promise<ObtainedKeys> {
  const wanted = await wantedKeys(ports, start, request);
  const asking = { start, openings: encodeTaskOpenings(request.openings), wanted };
  let round = await askRound(ports, identity, asking, await freshlyReached(ports, identity, start));
  if (round.combined === undefined && round.unheard) {
    const { answered, faulty } = round;
    ports.log.warn('asking-keepers-again', { answered, faulty: faulty.join(' ') });
    round = await askRound(
      ports,
      identity,
      asking,
      await reachAgain(ports, identity, start, SLOW_MS),
    );
  }
  if (round.combined !== undefined) {
    const { keys, receipts } = round.combined;
    const columns = columnsOpened(start.rights.inputs, wanted);
    return { keys: byInput(start.rights, wanted, keys), columns, receipts };
  }
  if (round.answered < start.epoch.threshold) throw tooFew(round, start.epoch.threshold);
  const who =
    round.faulty.length === 0 ? '' : `: wrong answers came from ${round.faulty.join(', ')}`;
  const message =
    round.faulty.length === 0
      ? 'every keeper proved its answer and a key does not open: an owner sealed something else'
      : `fewer than ${start.epoch.threshold} keepers proved what they answered${who}`;
  throw workerError('key-opening-failed', message);
}

async function freshlyReached(
  ports: WorkerPorts,
  identity: RunIdentity,
  start: KeyStart,
): Promise<Reached> {
  const reached = await start.reached;
  if (ports.timers.elapsed() - reached.since < STALE_MS) return reached;
  return reachAgain(ports, identity, start, QUICK_MS);
}

function reachAgain(
  ports: WorkerPorts,
  identity: RunIdentity,
  start: KeyStart,
  graceMs: number,
): Promise<Reached> {
  const { join, head, rights, epoch } = start;
  const about = { join, head, epochKey: rights.epoch, epoch, owners: rights.owners };
  return reachKeepers(ports, identity, { ...about, graceMs });
}

function wantedKeys(
  ports: WorkerPorts,
  start: KeyStart,
  { contents, suppression }: KeyRequest,
): Promise<Wanted[]> {
  const { inputs } = start.rights;
  const opened = openedColumns({ genesis: ports.genesis, inputs, contents, suppression });
  return Promise.all(
    opened.map(async ({ input, column, label, sealed }) => {
      return { input, column, label, sealed: parseSealedKey(await start.sealed(sealed)) };
    }),
  );
}

/**
 * Asks those that were reached, the first t seats at once and the others when one of these fails,
 * is slow or answers wrongly; ends as soon as answers of t seats open every key.
 */
async function askRound(
  ports: WorkerPorts,
  identity: RunIdentity,
  asking: Asking,
  reached: Reached,
): Promise<Round> {
  const { start } = asking;
  const { threshold } = start.epoch;
  const { note, holders } = reached;
  if (note === undefined) {
    const { failures, pending } = reached;
    const answered = seatsOf(holders);
    return { combined: undefined, answered, faulty: [], unheard: pending > 0, failures };
  }
  let combined: Combined | undefined;
  let tried = false;
  const { asked, askOthers, cancel } = askFirstSeats(ports.timers, holders, {
    threshold,
    ask: (holder) => askOne(ports, identity, { asking, holder, note }),
  });
  const { got, failures, pending } = await gather(asked, {
    timers: ports.timers,
    enough: (answers) => {
      if (!tried && seatsOf(answers) >= threshold) {
        tried = true;
        combined = combineAll(asking, answers);
        if (combined === undefined) askOthers();
      }
      return combined !== undefined;
    },
    graceMs: 0,
    boundMs: OPEN_MS,
  });
  cancel();
  const answered = seatsOf(got);
  const all = [...reached.failures, ...failures];
  const unheard = pending + reached.pending + all.filter(isPassing).length > 0;
  if (combined !== undefined || answered < threshold) {
    return { combined, answered, faulty: [], unheard, failures: all };
  }
  const { join, rights, epoch } = start;
  const encs = asking.wanted.map(({ sealed }) => sealed.enc);
  const about = { join, epochKey: rights.epoch, epoch, encs };
  const { honest, faulty } = await settleBlame(ports, about, got);
  if (seatsOf(honest) >= threshold) combined = combineAll(asking, honest);
  return { combined, answered, faulty, unheard: unheard && faulty.length > 0, failures: all };
}

async function askOne(
  ports: WorkerPorts,
  identity: RunIdentity,
  asked: { asking: Asking; holder: Holder; note: string },
): Promise<Answer> {
  const { asking, holder, note } = asked;
  const { join, rights } = asking.start;
  const { genesis } = ports;
  const keeper = ports.follower.state.joins.get(holder.join);
  if (keeper === undefined) throw malformedAnswer('has no join');
  const openings = hpkeSeal({
    publicKey: keeper.body.hpke,
    info: openingsInfo(genesis, 'keeper'),
    aad: NO_AAD,
    plaintext: asking.openings,
    random: ports.random,
  });
  const answer = await holder.client.open({
    join,
    keeper: fromHex(holder.join),
    freshness: [note],
    openings,
  });
  const epoch = fromHex(rights.epoch);
  if (answer.seat !== holder.seat || !equal(answer.epoch, epoch)) {
    throw malformedAnswer('answered for another seat or epoch');
  }
  const info = openAnswerInfo(genesis, { join, epoch, seat: holder.seat });
  const plain = hpkeOpen({ keyPair: identity.hpke, info, aad: NO_AAD, sealed: answer.sealed });
  const { partials, receipt } = decodeOpened(plain);
  if (partials.length !== asking.wanted.length) throw malformedAnswer('opened other columns');
  const about = { rights, columns: columnsOpened(rights.inputs, asking.wanted) };
  const { seat } = holder;
  await checkReceipt(ports, about, { receipt, seat, signer: keeper.signer });
  return { ...holder, points: asking.wanted.map((want) => pointFor(partials, want)), receipt };
}

function pointFor(partials: readonly PartialOpening[], want: Wanted): Uint8Array {
  const found = partials.find((p) => p.input === want.input && p.column === want.column);
  if (found === undefined) throw malformedAnswer('left out a column');
  parsePoint(found.point);
  return found.point;
}

/** From the first answer of each seat; undefined when a tag fails: somebody's point is wrong. */
function combineAll(asking: Asking, answers: readonly Answer[]): Combined | undefined {
  const { rights, epoch } = asking.start;
  const seats = new Map([...answers].reverse().map((answer) => [answer.seat, answer]));
  const keys: Uint8Array[] = [];
  try {
    for (const [at, { sealed, label }] of asking.wanted.entries()) {
      const partials = [...seats.values()].map(({ seat, points }) => {
        return { seat, point: points[at] as Uint8Array };
      });
      const { groupKey } = rights;
      keys.push(combinePartials({ t: epoch.threshold, partials, groupKey, sealed, label }));
    }
    return { keys, receipts: [...seats.values()].map(({ receipt }) => receipt) };
  } catch (error) {
    for (const key of keys) key.fill(0);
    if (isCoded(error, 'opening-tag-invalid') || isCoded(error, 'opening-infinity')) {
      return undefined;
    }
    throw error;
  }
}

function byInput(
  rights: Allowed,
  wanted: readonly Wanted[],
  keys: readonly Uint8Array[],
): InputKeys[] {
  const inputs: InputKeys[] = rights.inputs.map(() => new Map());
  for (const [at, { input, column }] of wanted.entries()) {
    inputs[input]?.set(column, keys[at] as Uint8Array);
  }
  return inputs;
}

/** The commonest refusal speaks for all: what the keepers said is what the proposer must know. */
function tooFew(round: Round, wanted: number) {
  const reasons = round.failures.filter((error) => isCoded(error));
  const counts = new Map<string, number>();
  for (const reason of reasons) {
    const code = tidyCode(reason.code);
    if (!isPassing(reason)) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  const [refusal] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  const said = [...new Set(reasons.map((reason) => `${reason.code}: ${reason.message}`))].join(
    '; ',
  );
  const why = said === '' ? 'No keeper of the epoch answered in time.' : said.slice(0, 1_500);
  const message = `${round.answered} of ${wanted} keepers opened. ${why}`;
  if (refusal === undefined) return workerError('keepers-too-few', message);
  return workerError('keepers-refused', message, { details: { refusal } });
}

function malformedAnswer(what: string) {
  return workerError('keeper-answer-malformed', `a keeper ${what}`);
}
