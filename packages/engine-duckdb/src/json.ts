// SPDX-License-Identifier: Apache-2.0
// JSON as DuckDB writes its trees: integers go up to 64 bits and past what a JavaScript number
// holds. Long integers become marked strings on the way in and plain digits again on the way out,
// so that a tree survives the round trip exactly and two constants never look alike.
import { engineError } from './errors.ts';

/** A JSON value; long integers are `LongInteger` strings. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

const MARK = '\u0001int:';
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARKED = /"\\u0001int:(-?\d+)"/g;

/** Parses, keeping integers of 16 digits and more exact. */
export function parseLossless(text: string): Json {
  const marked = text.replace(TOKEN, (token) =>
    /^-?\d{16,}$/.test(token) ? `"\\u0001int:${token}"` : token,
  );
  try {
    return JSON.parse(marked) as Json;
  } catch {
    throw engineError('engine-bind-failed', 'the engine answered no JSON');
  }
}

/** The inverse of `parseLossless`. */
export function printLossless(value: Json): string {
  return JSON.stringify(value).replace(MARKED, '$1');
}

/** True for an integer that was kept as a string. */
export function isLong(value: Json | undefined): boolean {
  return typeof value === 'string' && value.startsWith(MARK);
}

/** The value as an object, or undefined. */
export function objectOf(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

/** The value as an array; anything else is an empty one. */
export function arrayOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

/** Visits every object in a tree, outermost first. */
export function visit(value: Json, see: (node: JsonObject) => void): void {
  const pending: Json[] = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (Array.isArray(next)) pending.push(...next.toReversed());
    else if (typeof next === 'object' && next !== null) {
      see(next);
      pending.push(...Object.values(next).toReversed());
    }
  }
}
