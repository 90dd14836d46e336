// SPDX-License-Identifier: Apache-2.0
// The body of every event kind but the charter. Ids, states, numbers, codes and salted commitments
// only: never a column name, SQL, policy text or the plain hash of a small result. What digests
// name lies in blobs. One table at the end says who may sign what. spec/events.md.
import { MAX_LINK_BYTES, MAX_STATEMENT_BYTES, PART_NAMES } from '@cloister/evidence';
import { z } from 'zod';
import { cage, charterBody } from '../charter/body.ts';
import { FILES_MAX } from '../dataset-files/file-manifest.ts';
import { STATEMENTS_MAX } from '../ports/planner.ts';
import {
  ascendingColumns,
  bytesUpTo,
  code,
  columnId,
  columnIds,
  commitment,
  count,
  datasetVersion,
  digest,
  distinctSlugs,
  distinctVersions,
  id16,
  inputs,
  outputs,
  point,
  positive,
  price,
  seat,
  slug,
  strictlyAscending,
  time,
} from '../shapes.ts';

/** A statement lands within this size of the ledger, or never. */
const landing = { within: positive };
/** Where it stands: its author's newest accepted one on the same subject, if there is one. */
const turn = { previous: digest.optional(), ...landing };

/** The next charter, whole. It waits for signatures until the ledger's size is `within`. */
export const amendBody = z.strictObject({
  /** Digest of the charter that it changes (charter/body.ts). */
  before: digest,
  charter: charterBody,
  /** Members whose keys others replace, because they are lost: their old keys say nothing here. */
  replaces: distinctSlugs.optional(),
  ...turn,
});

/** Agrees to an amendment, by event id: an open one, or late to the one in force. */
export const signBody = z.strictObject({
  amend: digest,
  /** A new witness key's own word that it is the signer's (charter-key.ts). */
  witness: bytesUpTo(1_024).optional(),
  ...landing,
});

/** A witness's time, and the size of the head that it had followed to: that only rises. */
export const tickBody = z.strictObject({ time, size: positive });

/** One statement of a maker of hardware, whole, with the chain up to its root (evidence/parts). */
export const collateralBody = z.strictObject({
  part: z.enum(PART_NAMES),
  statement: bytesUpTo(MAX_STATEMENT_BYTES),
  signature: bytesUpTo(64, 64).optional(),
  chain: z.array(bytesUpTo(MAX_LINK_BYTES)).min(1).max(2),
});

/** A node enters: signed by the node's own key, carried inside the operator's signature. */
export const joinBody = z.strictObject({
  role: z.enum(['keeper', 'worker']),
  operator: slug,
  /** Charter version that the node serves. */
  charter: positive,
  environment: slug,
  /** The hardware identity that the evidence will show; enrolled under the operator. */
  hardware: bytesUpTo(128),
  /** The measurement that the evidence will show. */
  measurement: bytesUpTo(64, 16),
  /** Workers only: the task, and 16 random bytes that name the run. */
  task: digest.optional(),
  run: id16.optional(),
  /** A distributed task's workers only: 1 is the driver, which opens the run. */
  place: seat.optional(),
  /** Workers only: the proposer asks this operator for this run (run-ticket.ts). */
  ticket: bytesUpTo(1_024).optional(),
  /** SHA-256 of the SubjectPublicKeyInfo of the node's TLS key. */
  tls: digest,
  hpke: point,
  /** Digest of the evidence blob over report data that binds all of this (report-data.ts). */
  evidence: digest,
  /** The cosigned checkpoint that the node began from, as its signed note's bytes. */
  checkpoint: bytesUpTo(65_536),
  ...landing,
});

/** A proposal: n joins in seat order. `from` is the epoch reshared; without it the key is new. */
export const epochBody = z.strictObject({
  joins: z.array(digest).min(1).max(99),
  from: digest.optional(),
  ...turn,
});

/**
 * A member wants exactly the epoch that this event proposed, and its gateway holds and has
 * appraised what a judgement of its joins waits for: their evidence, root documents, collateral.
 */
export const consentBody = z.strictObject({ epoch: digest, ...landing });

/**
 * What every seat begins an attempt with: the key that deals to it are sealed to. A seat that deals
 * commits to its reveal in the same event.
 */
export const commitBody = z.strictObject({
  epoch: digest,
  seat,
  receive: point,
  hash: digest.optional(),
});

/** `reveal` is threshold's encoding; `deals` are the sealed deals themselves, in seat order. */
export const revealBody = z.strictObject({
  epoch: digest,
  seat,
  reveal: bytesUpTo(16_384),
  deals: z.array(bytesUpTo(256)).min(1).max(99),
});

export const ackBody = z.strictObject({ epoch: digest, seat, transcript: digest, groupKey: point });

/** An opened deal that anyone can judge; `complaint` is threshold's encoding. */
export const complaintBody = z.strictObject({
  epoch: digest,
  seat,
  against: seat,
  complaint: bytesUpTo(65_536),
});

/** A keeper found seat `against` wrong: what the charter wanted, and what came. */
export const epochAbortBody = z.strictObject({
  epoch: digest,
  seat,
  against: seat,
  code,
  wanted: z.string().max(200),
  got: z.string().max(200),
});

/** The files: the blob that lists them, how many there are, and their bytes together. */
const files = z.strictObject({
  manifest: digest,
  count: z.number().int().min(1).max(FILES_MAX),
  length: positive,
});

/** One version of a dataset; the newest event of a version replaces the ones before it. */
export const datasetBody = z.strictObject({
  dataset: id16,
  version: positive,
  /** What it is: `table`. Others are reserved. */
  kind: slug,
  groupKey: point,
  rows: count,
  files,
  /** Sealed-key blobs, ascending by id; id 0, the footer key, is always there. */
  columns: z
    .array(z.strictObject({ id: columnId, sealed: digest }))
    .min(2)
    .max(10_001)
    .refine(
      (columns) => columns[0]?.id === 0 && strictlyAscending(columns.map((column) => column.id)),
      'wanted ascending, distinct column ids from 0, the footer key',
    ),
  /** Columns that hold every value once together, each with its proof's blob: reserved. */
  unique: z
    .array(z.strictObject({ columns: columnIds, proof: digest }))
    .min(1)
    .max(16)
    .optional(),
  schema: commitment,
  policy: commitment,
  /** Blob of the openings, sealed to each member. */
  openings: digest,
  price,
  /** How many persons of the owner must approve a task. */
  approvals: z.number().int().min(1).max(20),
  ...turn,
});

/** Its owner ends a version of a dataset; without `version`, the dataset. For good. */
export const withdrawBody = z.strictObject({
  dataset: id16,
  version: positive.optional(),
  ...turn,
});

export const taskBody = z.strictObject({
  engine: slug,
  /** How many statements the code has: each is an answer. */
  statements: z.number().int().min(1).max(STATEMENTS_MAX),
  /** Units of a budget that it asks for: 0, others are reserved. */
  budget: count,
  code: commitment,
  parameters: commitment,
  uses: commitment,
  purpose: commitment,
  inputs,
  /** Output columns by id and who may open each. */
  outputs,
  worker: z
    .strictObject({
      /** Environments, whatever version of the worker they come to take; or, insisting... */
      environments: distinctSlugs.optional(),
      /** ...these very measurements. One of the two. */
      measurements: z.array(bytesUpTo(64, 16)).min(1).max(100).optional(),
      operators: distinctSlugs,
      /** A distributed task's driver and executors, counted; absent, one worker runs it alone. */
      nodes: z.number().int().min(2).max(255).optional(),
    })
    .refine(
      ({ environments, measurements }) =>
        (environments === undefined) !== (measurements === undefined),
      'wanted environments or measurements, not both',
    ),
  /** Past this clock it is approved and joined no more. */
  until: time,
  /** The prices that the proposer accepts, one an input, in the order of the inputs. */
  prices: z.array(price).min(1).max(100),
  openings: digest,
  ...landing,
});

/** The most inputs of a run that are read at another version than its task names. */
export const MOVED_MAX = 16;

/** An owner's grant: which columns, how many runs, and when. One event a person. */
export const approveBody = z.strictObject({
  task: digest,
  inputs,
  /** The most statements that its code may have. */
  statements: z.number().int().min(1).max(STATEMENTS_MAX),
  /** Units of a budget that are granted: 0, others are reserved. */
  budget: count,
  /** Datasets of the task that a run may read at their newest version of this schema and policy. */
  standing: z
    .array(
      z.strictObject({ dataset: id16, schema: commitment, policy: commitment, columns: columnIds }),
    )
    .min(1)
    .max(MOVED_MAX)
    .optional(),
  /** Reserved: what it holds for only, of parameters, recipients and times. */
  only: z
    .strictObject({
      parameters: commitment.optional(),
      recipients: distinctSlugs.optional(),
      windows: z
        .array(z.strictObject({ from: time, until: time }))
        .min(1)
        .max(100)
        .optional(),
    })
    .optional(),
  runs: z.number().int().min(1).max(1_000_000),
  from: time,
  until: time,
  /** Salted commitment to who approved; distinct ones are counted. */
  person: commitment,
  ...turn,
});

export const declineBody = z.strictObject({ task: digest, code, ...turn });

/** A keeper will not open for this join. */
export const refusalBody = z.strictObject({ task: digest, run: id16, join: digest, code });

/** Ids of the columns that a run opened of one input; none where it only counts rows. */
const columnsOpened = ascendingColumns(0);

/** Bits of the largest number that a measure can be. */
const sizeClass = z.number().int().min(0).max(53);

/** What a run used: rows and bytes read in clear, the rest behind a commitment (measures.ts). */
export const usageBody = z.strictObject({
  task: digest,
  run: id16,
  join: digest,
  epoch: digest,
  inputs: z
    .array(
      z.strictObject({
        ...datasetVersion.shape,
        columns: columnsOpened,
        rows: count,
        bytes: count,
      }),
    )
    .min(1)
    .max(100)
    .refine(distinctVersions, 'wanted every dataset version once'),
  /** The list of the sealed result's blobs: digests of ciphertext, which hide what they hash. */
  result: digest,
  /** What held the task's code. */
  cage,
  measures: commitment,
  /** Of each measure in clear: the power of two that it is below. */
  classes: z.strictObject({
    rowsOut: sizeClass,
    bytesOut: sizeClass,
    milliseconds: sizeClass,
    peakMemoryBytes: sizeClass,
  }),
  /** The measures' opening, sealed to owners, proposer and recipients: here, not in a blob. */
  openings: bytesUpTo(32_768),
  /** What keepers of t seats signed as they opened (opening-receipt.ts). */
  receipts: z.array(bytesUpTo(16_384)).min(1).max(99),
  ...landing,
});

/** The result's blobs lie at the recipients' gateways. */
export const releasedBody = z.strictObject({ task: digest, run: id16, usage: digest });

export const runFailedBody = z.strictObject({ task: digest, run: id16, join: digest, code });

/** The ledger ends, as far as its author is concerned; `next` is the genesis that goes on. */
export const closeBody = z.strictObject({ next: digest.optional(), ...landing });

/** Who signs an event kind. A `node` is one whose join the fold has accepted. */
export type SignerRole = 'founder' | 'witness' | 'member' | 'operator' | 'keeper' | 'worker';

/** Every event kind: the schema of its body, and who signs it. */
export const EVENT_KINDS = {
  charter: { body: charterBody, signer: 'founder' },
  amend: { body: amendBody, signer: 'member' },
  sign: { body: signBody, signer: 'member' },
  tick: { body: tickBody, signer: 'witness' },
  collateral: { body: collateralBody, signer: 'member' },
  join: { body: joinBody, signer: 'operator' },
  epoch: { body: epochBody, signer: 'member' },
  consent: { body: consentBody, signer: 'member' },
  commit: { body: commitBody, signer: 'keeper' },
  reveal: { body: revealBody, signer: 'keeper' },
  ack: { body: ackBody, signer: 'keeper' },
  complaint: { body: complaintBody, signer: 'keeper' },
  'epoch-abort': { body: epochAbortBody, signer: 'keeper' },
  dataset: { body: datasetBody, signer: 'member' },
  withdraw: { body: withdrawBody, signer: 'member' },
  task: { body: taskBody, signer: 'member' },
  approve: { body: approveBody, signer: 'member' },
  decline: { body: declineBody, signer: 'member' },
  refusal: { body: refusalBody, signer: 'keeper' },
  usage: { body: usageBody, signer: 'worker' },
  released: { body: releasedBody, signer: 'worker' },
  'run-failed': { body: runFailedBody, signer: 'worker' },
  close: { body: closeBody, signer: 'member' },
} as const satisfies Record<string, { body: z.ZodType; signer: SignerRole }>;

export type EventKind = keyof typeof EVENT_KINDS;
export type EventBody<K extends EventKind> = z.infer<(typeof EVENT_KINDS)[K]['body']>;

/** The fields that give an event its place among statements and heads (fold/statements.ts). */
type Place = 'previous' | 'within' | 'size';

/** What an author says; its place may be left out, and is filled in when it is signed. */
export type Said<K extends EventKind> = Omit<EventBody<K>, Place> & Partial<EventBody<K>>;
