// SPDX-License-Identifier: Apache-2.0
// What a task says behind its commitments, whole: code, parameters, uses and purpose of the task,
// schema and policy of each input. The proposer's gateway hands it to an attested worker, the
// worker to each keeper, sealed each time to the attested key; everyone checks every part against
// the commitments on the ledger and uses nothing else. spec/events.md, "Openings".
import {
  type Cbor,
  type CodedError,
  type CryptoPort,
  coded,
  decodeCbor,
  encodeCbor,
  firstIssue,
  fromUtf8,
} from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';
import type { EventBody } from '../events/bodies.ts';
import {
  decodePolicy,
  decodeUses,
  type Policy,
  type Suppression,
  type TaskFacts,
  type Use,
} from '../policy/index.ts';
import { STATEMENTS_MAX } from '../ports/planner.ts';
import { codeDigestOf, textOf } from './code.ts';
import { type Opening, opens } from './commitment.ts';

/** A dataset's schema: its name and columns by id (positions from 1), engine type names. */
export interface DatasetSchema {
  readonly name: string;
  readonly columns: readonly {
    readonly id: number;
    readonly name: string;
    readonly type: string;
  }[];
}

/**
 * What a code needs besides data: table names in input order, constants, the outputs' names and
 * the statement (from 0) that each is of.
 */
export interface TaskParameters {
  readonly tables: readonly string[];
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  readonly outputs: readonly {
    readonly id: number;
    readonly statement: number;
    readonly name: string;
    readonly type: string;
  }[];
}

/** The openings of a task and of its inputs, in the task's input order. */
export interface TaskOpenings {
  readonly code: Opening;
  readonly parameters: Opening;
  readonly uses: Opening;
  readonly purpose: Opening;
  readonly inputs: readonly { readonly schema: Opening; readonly policy: Opening }[];
}

/** The openings read: every value parsed, what a policy judge needs put together. */
export interface TaskContents {
  /** The engine that the task's event names. */
  readonly engine: string;
  readonly code: string;
  readonly parameters: TaskParameters;
  readonly uses: readonly Use[];
  readonly schemas: readonly DatasetSchema[];
  readonly policies: readonly Policy[];
  readonly facts: TaskFacts;
}

/** HPKE info for openings sealed to an attested node of `genesis`. */
export function openingsInfo(genesis: Uint8Array, to: 'worker' | 'keeper'): Uint8Array {
  return encodeCbor(['cloister/task-openings/v1', genesis, to]);
}

const name = z.string().min(1).max(1_000);
const column = z.strictObject({ id: z.number().int().min(1).max(65_535), name, type: name });
const output = column.extend({
  statement: z
    .number()
    .int()
    .min(0)
    .max(STATEMENTS_MAX - 1),
});
const schemaValue = z.strictObject({ name, columns: z.array(column).min(1).max(10_000) });
const parametersValue = z.strictObject({
  tables: z.array(name).min(1).max(100),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  outputs: z.array(output).min(1).max(10_000),
});

export function encodeSchema(schema: DatasetSchema): Uint8Array {
  return encodeCbor(schema as unknown as Cbor);
}

/**
 * Column ids must be 1, 2, 3... in order.
 * @throws CodedError `task-openings-malformed`, `cbor-malformed`
 */
export function decodeSchema(bytes: Uint8Array): DatasetSchema {
  const schema = parse(schemaValue, bytes, 'a schema');
  if (schema.columns.some((c, i) => c.id !== i + 1))
    throw malformed('a schema numbers its columns wrongly');
  return schema;
}

export function encodeParameters(parameters: TaskParameters): Uint8Array {
  return encodeCbor(parameters as unknown as Cbor);
}

/**
 * Outputs are in the order of their ids and of their statements, and no statement is without one.
 * @throws CodedError `task-openings-malformed`, `cbor-malformed`
 */
export function decodeParameters(bytes: Uint8Array): TaskParameters {
  const parameters = parse(parametersValue, bytes, 'parameters');
  const { outputs } = parameters;
  const ordered = outputs.every(({ id, statement }, at) => {
    const before = outputs[at - 1] ?? { id: 0, statement: -1 };
    const next = at === 0 ? statement === 0 : statement - before.statement <= 1;
    return id > before.id && statement >= before.statement && next;
  });
  if (!ordered) throw malformed('the outputs of the statements are out of order');
  return parameters;
}

export function encodeTaskOpenings(openings: TaskOpenings): Uint8Array {
  const pair = (opening: Opening): Cbor => [opening.salt, opening.value];
  return encodeCbor([
    pair(openings.code),
    pair(openings.parameters),
    pair(openings.uses),
    pair(openings.purpose),
    openings.inputs.map((input) => [pair(input.schema), pair(input.policy)]),
  ]);
}

/** @throws CodedError `task-openings-malformed`, `cbor-malformed` */
export function decodeTaskOpenings(bytes: Uint8Array): TaskOpenings {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed('not CBOR'),
  );
  if (!Array.isArray(value) || value.length !== 5) throw malformed('not an array of five');
  const [code, parameters, uses, purpose, inputs] = value as Cbor[];
  if (!Array.isArray(inputs) || inputs.length > 100) throw malformed('no list of inputs');
  return {
    code: toOpening(code),
    parameters: toOpening(parameters),
    uses: toOpening(uses),
    purpose: toOpening(purpose),
    inputs: (inputs as Cbor[]).map((input) => {
      if (!Array.isArray(input) || input.length !== 2) throw malformed('an input is not a pair');
      return { schema: toOpening(input[0] as Cbor), policy: toOpening(input[1] as Cbor) };
    }),
  };
}

/**
 * Checks each opening against the commitments of the task and of its inputs' dataset events, in
 * input order, then parses all of it.
 * @throws CodedError `task-opening-mismatch`, `task-openings-malformed`, `statements-differ`,
 * `code-in-files`, and the policy codes
 */
export function readTaskOpenings(
  openings: TaskOpenings,
  events: { task: EventBody<'task'>; datasets: readonly EventBody<'dataset'>[] },
  crypto: CryptoPort,
): TaskContents {
  const { task, datasets } = events;
  if (openings.inputs.length !== datasets.length || datasets.length !== task.inputs.length) {
    throw malformed(`${openings.inputs.length} inputs opened, the task has ${task.inputs.length}`);
  }
  for (const part of ['code', 'parameters', 'uses', 'purpose'] as const) {
    checkOpening(task[part], openings[part], `the task's ${part}`, crypto);
  }
  datasets.forEach((dataset, i) => {
    for (const part of ['schema', 'policy'] as const) {
      checkOpening(
        dataset[part],
        openings.inputs[i]?.[part],
        `the ${part} of input ${i + 1}`,
        crypto,
      );
    }
  });
  const code = textOf(openings.code.value);
  const parameters = decodeParameters(openings.parameters.value);
  if (parameters.tables.length !== datasets.length)
    throw malformed('a table name an input is wanted');
  const statements = (parameters.outputs.at(-1)?.statement ?? -1) + 1;
  if (statements !== task.statements) {
    const message = `the code has ${statements} statements, its task says ${task.statements}`;
    throw contractError('statements-differ', message);
  }
  return {
    engine: task.engine,
    code,
    parameters,
    uses: decodeUses(openings.uses.value),
    schemas: openings.inputs.map((input) => decodeSchema(input.schema.value)),
    policies: openings.inputs.map((input) => decodePolicy(input.policy.value)),
    facts: {
      purpose: fromUtf8(openings.purpose.value),
      codeDigest: codeDigestOf({ text: code }, crypto),
      outputs: task.outputs,
    },
  };
}

/**
 * The column ids of input `at` that a run reads: what the code uses and the subjects that the
 * suppression counts; where it is neither, the first column that was asked for, to count rows by.
 */
export function columnsRead(
  at: number,
  by: { uses: readonly Use[]; suppression: readonly Suppression[]; asked: readonly number[] },
): number[] {
  const used = by.uses.filter((use) => use.input === at && use.column > 0).map((u) => u.column);
  const subjects = by.suppression.filter((s) => s.input === at).flatMap((s) => s.subjects);
  const read = [...new Set([...used, ...subjects])].sort((a, b) => a - b);
  return read.length > 0 ? read : by.asked.slice(0, 1);
}

function checkOpening(
  commitment: Uint8Array,
  opening: Opening | undefined,
  what: string,
  crypto: CryptoPort,
): void {
  if (opening !== undefined && opens(commitment, opening, crypto)) return;
  const message = `${what} is not what the ledger has a commitment to`;
  throw contractError('task-opening-mismatch', message);
}

function toOpening(value: Cbor | undefined): Opening {
  if (Array.isArray(value) && value.length === 2) {
    const [salt, inner] = value as unknown[];
    if (salt instanceof Uint8Array && inner instanceof Uint8Array) return { salt, value: inner };
  }
  throw malformed('an opening is not a salt and a value');
}

function parse<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.infer<T> {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed(`${what}: not CBOR`),
  );
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed(`${what}: ${firstIssue(parsed.error).says}`);
}

function malformed(what: string): CodedError {
  return contractError('task-openings-malformed', `task openings: ${what}`);
}
