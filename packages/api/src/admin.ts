// SPDX-License-Identifier: Apache-2.0
// A gateway's admin API, as its own organisation's people and programs use it: datasets, tasks,
// approvals, results, bills and the ledger in readable form (keepers: admin-keepers.ts; what takes
// long: admin-dataset-jobs.ts). Each request carries the bearer token in the organisation's folder.
import { z } from 'zod';
import { count, hex } from './fields.ts';

const slug = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'wanted a-z, 0-9 and -');

/** Content type of an upload: the server streams such bodies to disk. */
export const UPLOAD_TYPE = 'application/vnd.cloister.upload';

/** What the ledger made of an event. */
export const recorded = z.object({
  seq: count,
  id: hex(32),
  status: z.enum(['accepted', 'void']),
  code: z.string().optional(),
  sentence: z.string().optional(),
});

export const priceJson = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'wanted an ISO 4217 code'),
  run: count.default(0),
  row: count.default(0),
  gigabyte: count.default(0),
  second: count.default(0),
});

export const status = z.object({
  member: z.object({ id: slug, name: z.string(), identity: hex(32) }),
  charter: z.string(),
  genesis: hex(32),
  simulated: z.boolean(),
  /** `closed`: the genesis that goes on, `none`, or null while it is open. */
  ledger: z.object({ size: count, root: hex(32), clock: count, closed: z.string().nullable() }),
  epoch: z
    .object({
      id: hex(32),
      groupKey: hex(65),
      threshold: count,
      seats: z.array(
        z.object({
          seat: count,
          operator: z.string(),
          environment: z.string(),
          tee: z.string(),
          family: z.string(),
        }),
      ),
    })
    .nullable(),
  /** The newest attempt at an epoch that ended without a key, and why. */
  endedEpoch: z
    .object({
      id: hex(32),
      code: z.string(),
      /** Operators and seats proved or held to be at fault; empty when nobody is. */
      faults: z.array(z.string()),
      wanted: z.string(),
      got: z.string(),
    })
    .nullable(),
  datasets: count,
  tasks: count,
});

/** POST /admin/v1/datasets; answers a `datasetJob` */
export const datasetRequest = z.strictObject({
  /** Files of one schema, whose rows are taken in this order. */
  uploads: z
    .array(hex(16))
    .min(1)
    .max(10_000)
    .refine((uploads) => new Set(uploads).size === uploads.length, 'wanted every upload once'),
  name: z.string().min(1).max(100),
  /** The field policy document; see spec/policy.md. */
  policy: z.unknown(),
  price: priceJson,
  /** Types to use instead of the inferred ones, by column name. */
  types: z.record(z.string(), z.string()).default({}),
  /** Whether what would be cut, or kept as text by a warning, is refused (`not-exact`). */
  strict: z.boolean().default(false),
});

export const datasetColumn = z.object({
  id: count,
  name: z.string(),
  type: z.string(),
  rule: z.string(),
});

export const datasetJson = z.object({
  dataset: hex(16),
  version: count,
  owner: slug,
  name: z.string(),
  rows: count,
  bytes: count,
  columns: z.array(datasetColumn),
  price: priceJson,
  approvals: count,
  groupKey: z.enum(['current', 'superseded']),
  /** Withdrawn, or its owner is gone: nothing reads it any more. */
  retired: z.boolean(),
});

/** POST /admin/v1/datasets/withdraw: one version, or the whole dataset; answers `recorded` */
export const withdrawRequest = z.strictObject({
  dataset: hex(16),
  version: count.min(1).optional(),
});

/** Parts of collateral that were new, and how many the ledger had. Times in milliseconds. */
export const collateralAdded = z.object({
  added: z.array(
    z.object({
      seq: count,
      part: z.string(),
      subject: z.string(),
      evaluation: count,
      issued: count,
      until: count,
    }),
  ),
  known: count,
});

export const datasetAnswer = z.object({ dataset: datasetJson, recorded });

/** POST /admin/v1/tasks and /admin/v1/tasks/check */
export const taskRequest = z.strictObject({
  engine: slug.default('duckdb'),
  code: z.string().min(1).max(1_000_000),
  purpose: z.string().min(1).max(200),
  /** Table name in the code -> `owner/dataset name` or dataset id, optionally `@version`. */
  inputs: z.record(z.string().min(1).max(100), z.string().min(1).max(200)),
  /** Who may open the output columns; the proposer when empty. */
  recipients: z.array(slug).default([]),
  /** Worker environments of the charter to accept; all of them when empty. */
  workers: z.array(slug).default([]),
  /** How many days it takes approvals and runs. */
  days: z.number().int().min(1).max(400).default(90),
});

/** An output column, and which statement of the code it is of, from 1. */
const outputJson = { id: count, statement: count, name: z.string(), type: z.string() };

/** One reason why a task may not run: whose rule on which column, and what would unblock it. */
export const findingJson = z.object({
  /** Position of the statement in the code, from 1; 0 where the code as a whole is refused. */
  statement: count,
  table: z.string(),
  owner: z.string(),
  column: z.string(),
  rule: z.string(),
  code: z.string(),
  sentence: z.string(),
  unblock: z.string().optional(),
});

export const checkAnswer = z.object({
  ok: z.boolean(),
  findings: z.array(findingJson),
  uses: z.array(
    z.object({
      statement: count,
      table: z.string(),
      column: z.string(),
      role: z.string(),
      how: z.string(),
    }),
  ),
  outputs: z.array(z.object(outputJson)),
  /** What plans the code here; a worker runs it by an engine of this kind. */
  engine: z.object({ kind: z.string(), version: z.string() }),
  /** What a run reads of each input. */
  reads: z.array(
    z.object({
      table: z.string(),
      owner: z.string(),
      columns: z.array(z.string()),
      rows: count,
      /** Encrypted, about. */
      bytes: count,
    }),
  ),
  /** About, of one run. */
  cost: z.object({
    bytes: count,
    rows: count,
    memoryBytes: count,
    milliseconds: count,
    currency: z.string(),
    micros: z.string(),
  }),
});

export const proposeAnswer = z.object({ task: hex(32), recorded, check: checkAnswer });

export const runJson = z.object({
  run: hex(16),
  state: z.string(),
  code: z.string().optional(),
  rowsOut: count.optional(),
  bytesIn: count.optional(),
  /** This member's own appraisal of the worker, once recorded, where the run concerns it. */
  appraised: z
    .object({
      status: z.enum(['yes', 'no', 'not-yet']),
      code: z.string().optional(),
      wanted: z.string().optional(),
      got: z.string().optional(),
    })
    .optional(),
});

export const taskJson = z.object({
  task: hex(32),
  proposer: slug,
  state: z.string(),
  purpose: z.string(),
  code: z.string(),
  inputs: z.array(
    z.object({
      table: z.string(),
      dataset: hex(16),
      version: count,
      /** The dataset's newest version, and whether grants allow a run to read it instead. */
      newest: count,
      newestGranted: z.boolean(),
      owner: slug,
      columns: z.array(z.string()),
      approved: z.boolean(),
      runsLeft: count,
    }),
  ),
  outputs: z.array(z.object({ ...outputJson, recipients: z.array(slug) })),
  declines: z.array(z.object({ by: z.string(), code: z.string() })),
  refusals: z.array(z.object({ by: z.string(), code: z.string() })),
  runs: z.array(runJson),
});

/** POST /admin/v1/tasks/:task/approve */
export const approveRequest = z.strictObject({
  runs: z.number().int().min(1).max(1_000_000).default(1),
  /** Ledger times in ms; from now for 30 days when absent. */
  from: count.optional(),
  until: count.optional(),
  /** Who approves, for people: only a salted commitment to it reaches the ledger. */
  person: z.string().min(1).max(200),
  /** Tables of the task of which a run may read the newest version, if schema and policy stay. */
  anyVersion: z.array(z.string().max(255)).max(100).default([]),
});

export const approveAnswer = recorded.extend({
  /** Persons of ours who have approved by now, and as many as the policies ask for. */
  persons: count,
  needed: count,
  /** Whether this person had approved before: the newer approval stands, and they count once. */
  replaced: z.boolean(),
});

export type ApproveAnswer = z.infer<typeof approveAnswer>;

export const declineRequest = z.strictObject({ code: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/) });

/** POST /admin/v1/tasks/:task/run */
export const startRunRequest = z.strictObject({
  worker: z.string().url(),
  /** Tables of which it reads the newest version instead of the one that the task names. */
  newest: z.array(z.string().max(255)).max(100).default([]),
});

/** GET /admin/v1/results/:run: the statements of which this member may open columns. */
export const resultAnswer = z.array(z.object({ statement: count, columns: z.array(z.string()) }));

/** How a result may be written; `json` is one array, `jsonl` has an object a line. */
export const resultFormat = z.enum(['csv', 'json', 'jsonl', 'parquet', 'arrow']);
export type ResultFormat = z.infer<typeof resultFormat>;

/** POST /admin/v1/results/:run/schema: what stands beside a saved result, spec/result-files.md. */
export const resultSchema = z.object({
  resultSchema: z.literal(1),
  format: resultFormat,
  formatVersion: count,
  task: z.string(),
  run: z.string(),
  /** From 1. */
  statement: count,
  rows: count,
  null: z.string(),
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      nullable: z.boolean(),
      nulls: count,
      unit: z.string().optional(),
      zone: z.string().optional(),
      written: z.string(),
    }),
  ),
});
export type ResultSchema = z.infer<typeof resultSchema>;

/** A decimal integer that may be larger than a JSON number holds. */
const decimal = z.string().regex(/^-?[0-9]{1,40}$/);

/**
 * One priced quantity of one usage record; `counted` says whether a host could have bent it. What
 * is sealed to others is null.
 */
export const billLine = z.object({
  task: hex(32),
  run: hex(16),
  usage: hex(32),
  seq: count,
  dataset: hex(16),
  version: count,
  metric: z.enum(['run', 'row', 'gigabyte', 'second']),
  quantity: decimal.nullable(),
  price: decimal,
  amount: decimal.nullable(),
  counted: z.enum(['inside', 'host']),
  /** Whether this member has appraised the run's worker itself. */
  appraised: z.enum(['yes', 'no', 'not-yet']),
});

/** GET /admin/v1/bill?task: one bill a payer, payee and currency; amounts in millionths. */
export const billAnswer = z.array(
  z.object({
    payer: slug,
    payee: slug,
    currency: z.string(),
    lines: z.array(billLine),
    /** Of the lines whose amounts are known. */
    total: decimal,
    /** How many lines are not in it because they are sealed, and because of unproved workers. */
    sealed: count,
    unproved: count,
    simulated: z.boolean(),
  }),
);

/** GET /admin/v1/events?from&limit */
export const eventsAnswer = z.object({
  size: count,
  events: z.array(
    z.object({
      seq: count,
      id: hex(32),
      kind: z.string(),
      signer: z.string(),
      status: z.enum(['accepted', 'void']),
      code: z.string().optional(),
      summary: z.string(),
    }),
  ),
});

/** POST /admin/v1/ledger/close: the genesis of the ledger that goes on, if one does */
export const closeRequest = z.strictObject({ next: hex(32).optional() });

/** POST /admin/v1/ledger/verify */
export const verifyAnswer = z.object({
  ok: z.boolean(),
  size: count,
  root: hex(32),
  cosignatures: z.array(slug),
  quorum: count,
  accepted: count,
  void: count,
  findings: z.array(z.string()),
});

export type Status = z.infer<typeof status>;
export type DatasetRequest = z.input<typeof datasetRequest>;
export type DatasetJson = z.infer<typeof datasetJson>;
export type TaskRequest = z.input<typeof taskRequest>;
export type CheckAnswer = z.infer<typeof checkAnswer>;
export type TaskJson = z.infer<typeof taskJson>;
export type BillAnswer = z.infer<typeof billAnswer>;
export type CollateralAdded = z.infer<typeof collateralAdded>;
export type Recorded = z.infer<typeof recorded>;
export type VerifyAnswer = z.infer<typeof verifyAnswer>;
