// SPDX-License-Identifier: Apache-2.0
// Where in the code that somebody wrote the engine found something wrong. It says so of what it was
// given, in bytes; what it binds is a statement printed from the code's parse tree, so the place is
// found there and looked up in the tree of the code, which has the same shape.
import type { Json, JsonObject } from './json.ts';

/** A position that the engine says: digits, or nothing. */
export function positionOf(value: Json | undefined): number | undefined {
  const text = String(value ?? '');
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** `line 2, column 6: ` of a byte of the code, both from 1; nothing where it is not known. */
export function placeIn(code: string, position: number | undefined): string {
  if (position === undefined) return '';
  const before = Buffer.from(code).subarray(0, position).toString('utf8').split('\n');
  const column = [...(before.at(-1) ?? '')].length + 1;
  return `line ${before.length}, column ${column}: `;
}

/** Where in the code what is at `position` of the printed statement came from. */
export function positionInCode(
  of: { readonly printed: JsonObject; readonly code: JsonObject },
  position: number,
): number | undefined {
  const path = pathTo(of.printed, position);
  const node = path?.reduce<Json | undefined>((at, key) => Reflect.get(Object(at), key), of.code);
  return positionOf((node as JsonObject | undefined)?.['query_location']);
}

/** The way to the first node that the engine has found at this position. */
function pathTo(root: Json, position: number): readonly string[] | undefined {
  const pending: { readonly value: Json; readonly path: readonly string[] }[] = [
    { value: root, path: [] },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, path } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (!Array.isArray(value) && value['query_location'] === position) return path;
    const inside = Object.entries(value).map(([key, one]) => ({
      value: one,
      path: [...path, key],
    }));
    pending.push(...inside.toReversed());
  }
  return undefined;
}
