// SPDX-License-Identifier: Apache-2.0
// The decision that everything else exists for: may this keeper answer this join with its partial
// openings? Read top to bottom, `decide` is the whole proof:
//
//   1 fresh     q witnesses, every opened column's owner's among them, signed one size and root
//               together with a challenge that this keeper drew for this join and never saw used
//   2 included  the keeper's own fold, at that head or past it, has accepted the join
//   3 rights    the task is approved and the run is open, now (contract/fold/rights.ts)
//   4 in time   the witnesses' own times are before the end of the grants and of the evidence
//   5 attested  the evidence of every node of the run holds and is what charter and task name: a
//               distributed run with one that does not match opens for none of them
//   6 openings  every part is what the ledger has a commitment to
//   7 policy    the uses are allowed by every owner's policy
//   8 columns   granted and read, and the footer key (contract/openings/opened-columns.ts); each
//               sealed key is the newest event's blob
//   9 pi        threshold's `partialOpen` multiplies nothing without it; it may have held before,
//               over this label (checked-keys.ts)
//
// Invariants: any failure is a CodedError before anything is multiplied; nothing is taken from the
// caller that is not checked against the ledger; points leave only sealed to the join's key.

import type { PartialOpening } from '@cloister/api';
import { attestedError, crossed } from '@cloister/attested';
import {
  type AppraisedState,
  type Appraiser,
  agreedTime,
  BLOB_MOST,
  columnsDigest,
  columnsOpened,
  contractError,
  decodeTaskOpenings,
  evidenceRefused,
  type FoldState,
  type Follower,
  judgeStanding,
  type OpenedColumn,
  type OpeningReceipt,
  openedColumns,
  openingsInfo,
  type Rights,
  readTaskOpenings,
  requiredWitnesses,
  rightsOfJoin,
  type TaskContents,
  type TaskOpenings,
  voidError,
  witnessesOf,
} from '@cloister/contract';
import { judge, refusedBy, type Suppression } from '@cloister/contract/policy';
import {
  type BlobStore,
  type CryptoPort,
  compare,
  equal,
  fromHex,
  isCoded,
  toHex,
} from '@cloister/core';
import { parseSealedKey, type SealedKey } from '@cloister/threshold';
import { type HpkeKeyPair, hpkeOpen, type KeyShare, partialOpen } from '@cloister/threshold/node';
import {
  type Freshness,
  mergeNotes,
  parseFreshness,
  parseNote,
  verifyFreshness,
} from '@cloister/tlog';
import type { ChallengeTable } from './challenges.ts';
import type { CheckedKeys } from './checked-keys.ts';
import { keeperError } from './errors.ts';

const NO_AAD = new Uint8Array(0);

export interface OpenPorts {
  readonly crypto: CryptoPort;
  readonly blobs: BlobStore;
  readonly follower: Pick<Follower, 'state' | 'charter' | 'syncTo' | 'step'>;
  readonly challenges: Pick<ChallengeTable, 'use'>;
  readonly appraiser: Appraiser;
  readonly hpke: HpkeKeyPair;
  readonly genesis: Uint8Array;
  /** Keys whose pi was verified while the witnesses signed. */
  readonly checked?: Pick<CheckedKeys, 'get'>;
}

export interface OpenRequest {
  /** The join's id, 32 bytes. */
  readonly join: Uint8Array;
  readonly freshness: readonly string[];
  /** Task openings sealed to this keeper. */
  readonly openings: Uint8Array;
}

/** What a keeper decided to open, kept so that one join is answered the same again. */
export interface Decision {
  /** enc of each sealed key, in the order of `partials`. */
  readonly encs: readonly Uint8Array[];
  readonly partials: readonly PartialOpening[];
  /** What the keeper will sign that it opened. */
  readonly receipt: OpeningReceipt;
}

type Allowed = Extract<Rights, { ok: true }>;

/** Judges a request and computes the partial openings. @throws CodedError the refusal */
export async function decide(
  ports: OpenPorts,
  share: KeyShare,
  request: OpenRequest,
): Promise<Decision> {
  const fresh = await checkFreshness(ports, request);
  const rights = checkRights(ports, share, request);
  const head = headOf(ports.follower.state);
  const parts = await checkTimes(ports, rights, { fresh, head });
  const contents = checkOpenings(ports, rights, request.openings);
  const suppression = checkPolicy(contents);
  const { genesis } = ports;
  const { inputs } = rights;
  const wanted = openedColumns({ genesis, inputs, contents, suppression });
  const keys = await fetchKeys(ports, wanted);
  checkUnmoved(ports, request, rights);
  const receipt = receiptFor(ports, share, { rights, wanted, parts, head });
  return { ...openColumns(ports, share, wanted, keys), receipt };
}

/** Step 1. The required witnesses are those of the owners of the task's inputs. */
async function checkFreshness(ports: OpenPorts, request: OpenRequest): Promise<Freshness> {
  const { follower, challenges } = ports;
  const key = toHex(request.join);
  const note = mergeAll(request.freshness);
  const challenge = challenges.use(key, parseFreshness(parseNote(note).text).challenges);
  const verified = async () => {
    const { charter } = follower;
    return { fresh: await verifyUnder(ports, request, { note, challenge }), charter };
  };
  const { fresh, charter } = await verified().catch(async (error) => {
    // The witnesses may be those of a charter that this keeper has not followed to yet.
    if (!isCoded(error, 'quorum-not-met')) throw error;
    await crossed(ports);
    return verified();
  });
  await follower.syncTo(fresh, charter.version);
  // At that head others may be the witnesses: theirs count.
  if (follower.charter === charter) return fresh;
  return verifyUnder(ports, request, { note, challenge });
}

function verifyUnder(
  { follower, crypto, genesis }: OpenPorts,
  request: OpenRequest,
  { note, challenge }: { note: string; challenge: Uint8Array },
): Promise<Freshness> {
  const key = toHex(request.join);
  const witnesses = witnessesOf(follower.charter);
  // A join comes after its task, the task after its datasets: with the join all owners are known.
  const task = follower.state.joins.get(key)?.body.task;
  if (task === undefined) {
    const message = 'the fold here has no such join of a worker';
    throw contractError('join-unknown', message);
  }
  const { keys, missing } = requiredWitnesses(follower.state, toHex(task));
  if (missing.length > 0) {
    const message = `no witness of the charter stands for ${missing.join(', ')}`;
    throw attestedError('owner-witness-missing', message);
  }
  const required = witnesses
    .filter((witness) => keys.some((key) => equal(key, witness.key)))
    .map((witness) => witness.name);
  const { quorum } = follower.charter.witnesses;
  return verifyFreshness(crypto, note, { genesis, challenge, witnesses, quorum, required });
}

/** One note from the notes that each witness signed: all must be over one text. */
function mergeAll(notes: readonly string[]): string {
  const texts = new Set(notes.map((note) => parseNote(note).text));
  if (texts.size !== 1) {
    const message =
      'the witnesses signed different heads or challenges: ask those that lag to follow, and again';
    throw keeperError('freshness-notes-differ', message);
  }
  return notes.reduce((all, note) => mergeNotes(all, note));
}

/** Steps 2 and 3. */
function checkRights(ports: OpenPorts, share: KeyShare, request: OpenRequest): Allowed {
  const rights = rightsNow(ports, request);
  checkOwnPlace(ports, share, rights);
  if (rights.epoch === toHex(share.epoch)) return rights;
  const message = 'another epoch has become active, and this keeper has no share of it yet';
  throw attestedError('keeper-not-holding', message);
}

/** A seat that the charter in force has no place for opens nothing: nobody would count it. */
function checkOwnPlace({ follower }: OpenPorts, share: KeyShare, { epoch }: Allowed): void {
  const { joins, epochs } = follower.state;
  const own = joins.get(epochs.get(epoch)?.joins[share.seat - 1] ?? '');
  const gone = own === undefined ? undefined : judgeStanding(follower.state, own.body);
  if (gone !== undefined) throw voidError(gone.code, `this keeper: ${gone.sentence}`);
}

function rightsNow(ports: OpenPorts, request: OpenRequest): Allowed {
  const rights = rightsOfJoin(ports.follower.state, toHex(request.join));
  if (rights.ok) return rights;
  throw voidError(rights.code, rights.sentence);
}

/** The fold moves while blobs are fetched: what was judged must still be so when points leave. */
function checkUnmoved(ports: OpenPorts, request: OpenRequest, before: Allowed): void {
  const now = rightsNow(ports, request);
  const same = now.inputs.every((input, i) => input.event === before.inputs[i]?.event);
  if (now.epoch === before.epoch && same) return;
  const message = 'the epoch or a dataset was replaced while this request was judged: ask again';
  throw keeperError('ledger-moved', message);
}

/** The head that evidence is judged at: the fold moves on meanwhile, and a receipt names this. */
type Head = AppraisedState & Pick<FoldState, 'seq'>;

function headOf({ seq, genesis, charter, clock, collateral, joins, tasks }: FoldState): Head {
  return { seq, genesis, charter, clock, collateral: new Map(collateral), joins, tasks };
}

/** Steps 4 and 5. */
async function checkTimes(
  ports: OpenPorts,
  rights: Allowed,
  { fresh, head }: { fresh: Freshness; head: Head },
): Promise<Uint8Array[]> {
  const { charter } = ports.follower;
  const times = fresh.times.map((time) => time.timeSeconds * 1000);
  const now = agreedTime(charter, times) ?? Number.MAX_SAFE_INTEGER;
  const end = Math.min(rights.run.until, rights.run.deadline);
  if (now >= end) {
    const message = `the grants or the time of this run ended at ${end}, the witnesses say ${now}`;
    throw keeperError('run-expired', message);
  }
  const used = new Map<string, Uint8Array>();
  for (const key of rights.roster) await checkEvidence(ports, key, { now, used, head });
  return [...used.values()].sort(compare);
}

/** Adds the parts of collateral that it was appraised with to `used`. */
async function checkEvidence(
  ports: OpenPorts,
  key: string,
  { now, used, head }: { now: number; used: Map<string, Uint8Array>; head: Head },
): Promise<void> {
  const place = head.joins.get(key)?.body.place;
  const whose = place === undefined ? "the worker's" : `the node's at place ${place}`;
  const appraised = await ports.appraiser.appraise(head, key);
  if (!appraised.ok) {
    const { wanted, got } = appraised.mismatch;
    const message = `evidence is refused, ${whose}: wanted ${wanted}, got ${got}`;
    throw evidenceRefused(appraised.mismatch, message);
  }
  if (now > appraised.claims.time.validUntil) {
    const until = appraised.claims.time.validUntil;
    const message = `evidence, ${whose}, was good until ${until}; the witnesses say ${now}`;
    throw keeperError('evidence-expired', message);
  }
  for (const digest of appraised.parts) used.set(toHex(digest), digest);
}

/** What is opened, to whom, and as it was judged. Synchronous, as the opening is. */
function receiptFor(
  { crypto }: OpenPorts,
  { epoch, seat }: KeyShare,
  of: {
    rights: Allowed;
    wanted: readonly OpenedColumn[];
    parts: readonly Uint8Array[];
    head: Head;
  },
): OpeningReceipt {
  const { rights, wanted, parts, head } = of;
  return {
    task: fromHex(rights.taskKey),
    run: fromHex(rights.runKey),
    epoch,
    seat,
    roster: rights.roster.map((key) => fromHex(key)),
    columns: columnsDigest(columnsOpened(rights.inputs, wanted), crypto),
    parts,
    size: head.seq,
  };
}

/** Step 6. */
function checkOpenings(ports: OpenPorts, rights: Allowed, sealed: Uint8Array): TaskContents {
  const info = openingsInfo(ports.genesis, 'keeper');
  const opened = hpkeOpen({ keyPair: ports.hpke, info, aad: NO_AAD, sealed });
  const openings: TaskOpenings = decodeTaskOpenings(opened);
  const datasets = rights.inputs.map((input) => input.body);
  return readTaskOpenings(openings, { task: rights.task.body, datasets }, ports.crypto);
}

/** Step 7. The first finding's code is the refusal's; its sentence names columns and stays here. */
function checkPolicy(contents: TaskContents): readonly Suppression[] {
  const { uses, policies, facts } = contents;
  const judgement = judge({ uses, policies, task: facts });
  if (judgement.ok) return judgement.suppression;
  const message = 'a policy does not allow these uses: `task check` says which rule and what helps';
  throw refusedBy(judgement.findings, message);
}

/** Step 8, its second half. */
function fetchKeys(ports: OpenPorts, wanted: readonly OpenedColumn[]): Promise<SealedKey[]> {
  const most = BLOB_MOST.sealedKey;
  return Promise.all(
    wanted.map(async ({ sealed }) => parseSealedKey(await ports.blobs.get(sealed, most))),
  );
}

/** Step 9. Synchronous, so nothing moves between the last check and the points. */
function openColumns(
  ports: OpenPorts,
  share: KeyShare,
  wanted: readonly OpenedColumn[],
  keys: readonly SealedKey[],
): Omit<Decision, 'receipt'> {
  const partials = wanted.map(({ input, column, label, sealed }, i) => {
    const checked = ports.checked?.get(sealed);
    const known = checked?.under(label) === undefined ? undefined : checked;
    const point = partialOpen({ share, sealed: known ?? (keys[i] as SealedKey), label });
    return { input, column, point };
  });
  return { encs: keys.map((key) => key.enc), partials };
}
