// SPDX-License-Identifier: Apache-2.0
// Uses: what a task's code does with each column, as the engine read it off the bound plan. A list
// of uses is sorted and unique, so that one code over one schema has one encoding; the worker's own
// list must equal the task's byte for byte. spec/policy.md, "Uses".
//
// Wire form, one use: [statement, input, column, role, function, expression, output], for example
//   [0, 1, 3, "aggregate", "avg", "#3", 2]   avg over column 3 of input 1 is in output 2
//   [0, 0, 1, "join", "equal", "@1#1", 0]    column 1 of input 0 meets column 1 of input 1
// Column 0 stands for the input's rows: every input that a statement has in FROM has such a use,
// and its function says how the statement treats them (`ROWS`).
import { type Cbor, compare, decodeCbor, encodeCbor, isCoded } from '@cloister/core';
import { contractError } from '../errors.ts';

const ROLES = ['join', 'filter', 'group', 'aggregate', 'output'] as const;
/** What a column is used for. */
export type UseRole = (typeof ROLES)[number];

/** Functions of column 0: how the statement treats the rows of an input as a whole. */
export const ROWS = {
  /** One SELECT block that aggregates; small groups can be suppressed. Role `group`. */
  grouped: 'grouped',
  /** One SELECT block without aggregates: a row in, a row out. Role `output`. */
  rowByRow: 'row-by-row',
  /** Anything else: every column read may reach every output. Role `output`; the expression says
   * what made it so (`subquery`, `window`, `outer-join`...). */
  nested: 'nested',
} as const;

/** One use of one column by one statement. */
export interface Use {
  /** Position of the statement in the code, from 0. */
  readonly statement: number;
  /** Position of the input in the task, from 0. */
  readonly input: number;
  /** Column id, from 1; 0 stands for the input's rows. */
  readonly column: number;
  readonly role: UseRole;
  /** The engine's name of the function (`avg`, `count_star`, `equal`), or ''. */
  readonly function: string;
  /** Normalised bound expression; `#3` is column 3 of this input, `@1#3` of input 1. */
  readonly expression: string;
  /** Output id, from 1; 0 when it bears on all of the statement's (filters, joins, order). */
  readonly output: number;
}

function toCbor(use: Use): Cbor {
  const { statement, input, column, role, function: name, expression, output } = use;
  return [statement, input, column, role, name, expression, output];
}

/** Sorts by encoding and drops repeats: the one canonical order of a list of uses. */
export function canonicalUses(uses: readonly Use[]): Use[] {
  const keyed = uses.map((use) => ({ use, key: encodeCbor(toCbor(use)) }));
  keyed.sort((a, b) => compare(a.key, b.key));
  return keyed
    .filter(({ key }, at) => at === 0 || compare(key, keyed[at - 1]?.key ?? key) !== 0)
    .map(({ use }) => use);
}

/** Deterministic CBOR of the canonical list. */
export function encodeUses(uses: readonly Use[]): Uint8Array<ArrayBuffer> {
  return encodeCbor(canonicalUses(uses).map(toCbor));
}

/**
 * Reads a list of uses; only the canonical encoding is accepted.
 * @throws CodedError `uses-malformed`, `uses-not-canonical`
 */
export function decodeUses(bytes: Uint8Array): Use[] {
  let value: Cbor;
  try {
    value = decodeCbor(bytes);
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw contractError('uses-malformed', `not a list of uses: ${cause.message}`);
  }
  if (!Array.isArray(value) || value.length > 100_000) {
    throw contractError('uses-malformed', 'uses are a list, of at most 100,000');
  }
  const uses = (value as readonly Cbor[]).map(fromCbor);
  if (compare(encodeUses(uses), bytes) !== 0) {
    throw contractError('uses-not-canonical', 'uses must be sorted and unique');
  }
  return uses;
}

function fromCbor(item: Cbor): Use {
  const wrong = () =>
    contractError(
      'uses-malformed',
      'a use is [statement, input, column id, role, function, expression, output]',
    );
  if (!Array.isArray(item) || item.length !== 7) throw wrong();
  const [statement, input, column, role, name, expression, output] = item as readonly Cbor[];
  if (!isId(statement) || !isId(input) || !isId(column) || !isId(output)) throw wrong();
  if (typeof name !== 'string' || typeof expression !== 'string') throw wrong();
  if (typeof role !== 'string' || !(ROLES as readonly string[]).includes(role)) throw wrong();
  return { statement, input, column, role: role as UseRole, function: name, expression, output };
}

function isId(value: Cbor | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 1_000_000;
}
