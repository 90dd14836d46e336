// SPDX-License-Identifier: Apache-2.0
// What planning one code may take. Whatever is larger is refused with `engine-too-complex`: by the
// child's memory and answers while the engine works on it, by counting before our own code does.
import { engineError } from './errors.ts';
import type { Json } from './json.ts';

/** Longest that all of planning one code may take, unless told. */
export const PLANNING_MS = 10_000;
export const CODE_CHARACTERS_MAX = 1_000_000;
/** Objects in one tree, and how deep they lie in one another. */
export const TREE_NODES_MAX = 100_000;
export const TREE_DEPTH_MAX = 1_000;
/** Characters of all expressions that one statement's uses carry. */
export const EXPRESSIONS_MAX = 4 * 1024 * 1024;
/** What a task's list of uses may have (spec/policy.md, "Uses"). */
export const USES_MAX = 100_000;
/** Limits of a database that only ever holds empty tables. */
export const PLANNING_LIMITS = { memoryBytes: 128 * 1024 * 1024, threads: 1, allowed: [] } as const;

/** @throws CodedError `engine-too-complex` */
export function checkSize(tree: Json): void {
  let nodes = 0;
  let level: Json[] = [tree];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > TREE_DEPTH_MAX) throw tooComplex('levels of a statement', depth, TREE_DEPTH_MAX);
    const next: Json[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue;
      nodes += 1;
      for (const inside of Array.isArray(value) ? value : Object.values(value)) next.push(inside);
    }
    if (nodes > TREE_NODES_MAX) throw tooComplex('parts of a statement', nodes, TREE_NODES_MAX);
    level = next;
  }
}

export function tooComplex(what: string, got: number, most: number) {
  const message = `planning meets ${got} ${what}, and takes at most ${most}: divide the statement`;
  return engineError('engine-too-complex', message, { details: { got, most } });
}
