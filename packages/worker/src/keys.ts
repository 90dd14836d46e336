// SPDX-License-Identifier: Apache-2.0
// From evidence to keys: challenges from the keepers, freshness from the witnesses, partial openings
// from t keepers, combination, and blame when a tag fails. Master keys exist in this process's
// memory only and are wiped when the run is over.
import {
  decodePartials,
  KeeperClient,
  openAnswerInfo,
  openProofRequest,
  type PartialOpening,
} from '@cloister/api';
import {
  columnsRead,
  type Epoch,
  encodeTaskOpenings,
  openingsInfo,
  type Rights,
  type TaskContents,
  type TaskOpenings,
} from '@cloister/contract';
import type { Suppression } from '@cloister/contract/policy';
import { fromHex, isCoded } from '@cloister/core';
import {
  blame,
  encodeLabel,
  parseReveal,
  parseSealedKey,
  type SealedKey,
  seatPublicShare,
} from '@cloister/threshold';
import { combinePartials, hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import { workerError } from './errors.ts';
import { freshnessNotes } from './freshness.ts';
import type { RunIdentity } from './identity.ts';
import type { WorkerPorts } from './ports.ts';

const NO_AAD = new Uint8Array(0);

/** Master keys of one input by column id; 0 is the footer's. */
export type InputKeys = Map<number, Uint8Array>;

type Allowed = Extract<Rights, { ok: true }>;

export interface KeyRequest {
  readonly join: Uint8Array;
  readonly rights: Allowed;
  readonly openings: TaskOpenings;
  readonly contents: TaskContents;
  readonly suppression: readonly Suppression[];
}

/** One sealed key that is asked for. */
interface Wanted {
  readonly input: number;
  readonly column: number;
  readonly sealed: SealedKey;
  readonly label: Uint8Array;
}

interface Answer {
  readonly seat: number;
  readonly keeper: KeeperClient;
  readonly points: readonly Uint8Array[];
}

/** A keeper that holds a seat of the active epoch. */
interface Holder {
  readonly client: KeeperClient;
  readonly join: string;
  readonly seat: number;
}

/**
 * The master keys of every column that the run reads, one map an input.
 * @throws CodedError `keepers-too-few` with the refusals in its details, `key-opening-failed`
 */
export async function obtainKeys(
  ports: WorkerPorts,
  identity: RunIdentity,
  request: KeyRequest,
): Promise<InputKeys[]> {
  const epoch = ports.follower.state.epochs.get(request.rights.epoch) as Epoch;
  const [wanted, holders] = await Promise.all([
    wantedKeys(ports, identity, request),
    findHolders(ports, identity, request.rights.epoch, epoch),
  ]);
  const answers = await askHolders(ports, identity, { request, epoch, holders, wanted });
  const keys = combineAll(request.rights, epoch, wanted, answers);
  if (keys !== undefined) return byInput(request, wanted, keys);
  const honest = await settleBlame(ports, { request, epoch, wanted, answers });
  const again = combineAll(request.rights, epoch, wanted, honest);
  if (again !== undefined) return byInput(request, wanted, again);
  const message =
    'the keepers whose answers hold do not give the keys: an owner sealed something else';
  throw workerError('key-opening-failed', 'verification', message);
}

async function wantedKeys(
  ports: WorkerPorts,
  identity: RunIdentity,
  { rights, contents, suppression }: KeyRequest,
): Promise<Wanted[]> {
  const { uses } = contents;
  const all = rights.inputs.flatMap((right, input) => {
    const { columns: asked, dataset, version } = right.input;
    return [0, ...columnsRead(input, { uses, suppression, asked })].map(async (column) => {
      const digest = right.body.columns.find(({ id }) => id === column)?.sealed;
      if (digest === undefined) {
        throw workerError(
          'column-not-granted',
          'policy',
          'a column has no sealed key in its dataset event',
        );
      }
      const { groupKey, policy } = right.body;
      const { genesis } = ports;
      const label = encodeLabel({
        genesis,
        groupKey,
        owner: right.owner,
        dataset,
        version,
        column,
        policy,
      });
      return { input, column, label, sealed: parseSealedKey(await identity.blobs.get(digest)) };
    });
  });
  return Promise.all(all);
}

/** Which of the configured keepers hold a seat; who cannot be reached is left out. */
async function findHolders(
  ports: WorkerPorts,
  identity: RunIdentity,
  epochKey: string,
  epoch: Epoch,
): Promise<Holder[]> {
  const found = await Promise.allSettled(
    ports.config.keepers.map(async (base) => {
      const client = new KeeperClient(identity.client(base));
      const { join, seat, epoch: held } = await client.health();
      if (join === null || seat === null || held !== epochKey) return undefined;
      return epoch.joins[seat - 1] === join ? { client, join, seat } : undefined;
    }),
  );
  const bySeat = new Map<number, Holder>();
  for (const answer of found) {
    if (answer.status !== 'fulfilled' || answer.value === undefined) continue;
    bySeat.set(answer.value.seat, answer.value);
  }
  return [...bySeat.values()];
}

interface Asking {
  readonly request: KeyRequest;
  readonly epoch: Epoch;
  readonly holders: readonly Holder[];
  readonly wanted: readonly Wanted[];
}

async function askHolders(
  ports: WorkerPorts,
  identity: RunIdentity,
  asking: Asking,
): Promise<Answer[]> {
  const { request, epoch, holders, wanted } = asking;
  const drawn = await Promise.allSettled(
    holders.map(async (holder) => ({
      holder,
      challenge: await holder.client.challenge(request.join),
    })),
  );
  const ready = drawn.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (ready.length < epoch.threshold) throw tooFew(ready.length, epoch.threshold, drawn);
  const notes = await freshnessNotes(
    ports,
    identity.gateways,
    ready.map((r) => r.challenge),
  );
  const opened = await Promise.allSettled(
    ready.map(({ holder }) => askOne(ports, identity, { request, wanted, holder, notes })),
  );
  const answers = opened.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (answers.length < epoch.threshold) throw tooFew(answers.length, epoch.threshold, opened);
  return answers;
}

async function askOne(
  ports: WorkerPorts,
  identity: RunIdentity,
  asked: {
    request: KeyRequest;
    wanted: readonly Wanted[];
    holder: Holder;
    notes: readonly string[];
  },
): Promise<Answer> {
  const { request, wanted, holder, notes } = asked;
  const keeper = ports.follower.state.joins.get(holder.join);
  if (keeper === undefined)
    throw workerError('keepers-too-few', 'unavailable', 'a keeper has no join');
  const openings = hpkeSeal({
    publicKey: keeper.body.hpke,
    info: openingsInfo(ports.genesis, 'keeper'),
    aad: NO_AAD,
    plaintext: encodeTaskOpenings(request.openings),
  });
  const answer = await holder.client.open({ join: request.join, freshness: notes, openings });
  const about = { join: request.join, epoch: answer.epoch, seat: answer.seat };
  const info = openAnswerInfo(ports.genesis, about);
  const plain = hpkeOpen({ keyPair: identity.hpke, info, aad: NO_AAD, sealed: answer.sealed });
  const partials = decodePartials(plain);
  const points = wanted.map((want) => pointFor(partials, want));
  if (answer.seat !== holder.seat) throw malformedAnswer('answered for another seat');
  return { seat: holder.seat, keeper: holder.client, points };
}

function pointFor(partials: readonly PartialOpening[], want: Wanted): Uint8Array {
  const found = partials.filter((p) => p.input === want.input && p.column === want.column);
  const [only] = found;
  if (found.length !== 1 || only === undefined)
    throw malformedAnswer('left out a column or answered twice');
  return only.point;
}

/** Undefined when a tag fails: somebody's point is wrong. */
function combineAll(
  rights: Allowed,
  epoch: Epoch,
  wanted: readonly Wanted[],
  answers: readonly Answer[],
): Uint8Array[] | undefined {
  try {
    return wanted.map(({ sealed, label }, at) => {
      const partials = answers.map(({ seat, points }) => ({
        seat,
        point: points[at] as Uint8Array,
      }));
      return combinePartials({
        t: epoch.threshold,
        partials,
        groupKey: rights.groupKey,
        sealed,
        label,
      });
    });
  } catch (error) {
    if (isCoded(error, 'opening-tag-invalid') || isCoded(error, 'opening-infinity'))
      return undefined;
    throw error;
  }
}

/** Asks everyone to prove what they answered; keeps those whose proofs hold. */
async function settleBlame(
  ports: WorkerPorts,
  about: {
    request: KeyRequest;
    epoch: Epoch;
    wanted: readonly Wanted[];
    answers: readonly Answer[];
  },
): Promise<Answer[]> {
  const { request, epoch, wanted, answers } = about;
  const reveals = [...epoch.reveals.values()].map(({ reveal }) => parseReveal(reveal));
  const proven = await Promise.all(
    answers.map(async ({ seat, keeper, points }) => {
      const proof = await keeper.prove(request.join).then(
        (answer) => answer.proof,
        () => undefined,
      );
      const publicShare = seatPublicShare(reveals, seat);
      return { seat, publicShare, points, ...(proof === undefined ? {} : { proof }) };
    }),
  );
  const { honest, faulty } = blame({
    genesis: ports.genesis,
    epoch: fromHex(request.rights.epoch),
    request: openProofRequest(ports.genesis, request.join, ports.crypto),
    encs: wanted.map(({ sealed }) => sealed.enc),
    answers: proven,
  });
  ports.log.warn({ faulty }, 'keepers answered wrong partial openings');
  if (honest.length >= epoch.threshold) return answers.filter(({ seat }) => honest.includes(seat));
  const message = `keepers at seats ${faulty.join(', ')} answered wrongly and fewer than ${epoch.threshold} are left`;
  throw workerError('key-opening-failed', 'verification', message);
}

function byInput(
  request: KeyRequest,
  wanted: readonly Wanted[],
  keys: readonly Uint8Array[],
): InputKeys[] {
  const inputs: InputKeys[] = request.rights.inputs.map(() => new Map());
  for (const [at, { input, column }] of wanted.entries()) {
    inputs[input]?.set(column, keys[at] as Uint8Array);
  }
  return inputs;
}

/** The commonest refusal speaks for all: what the keepers said is what the proposer must know. */
function tooFew(got: number, wanted: number, answers: readonly PromiseSettledResult<unknown>[]) {
  const reasons = answers.flatMap((a) =>
    a.status === 'rejected' && isCoded(a.reason) ? [a.reason] : [],
  );
  const refusal = reasons.find(
    (reason) => reason.kind === 'policy' || reason.kind === 'verification',
  );
  const said = [...new Set(reasons.map((reason) => `${reason.code}: ${reason.message}`))].join(
    '; ',
  );
  const message = `${got} of ${wanted} keepers opened. ${said === '' ? 'No keeper of the epoch answered.' : said}`;
  const details = { refusal: refusal?.code ?? 'none' };
  const kind = refusal === undefined ? 'unavailable' : 'policy';
  return workerError('keepers-too-few', kind, message, { details });
}

function malformedAnswer(what: string) {
  return workerError('keeper-answer-malformed', 'verification', `a keeper ${what}`);
}
