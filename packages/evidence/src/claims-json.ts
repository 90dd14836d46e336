// SPDX-License-Identifier: Apache-2.0
// Claims as plain JSON values, for printing and for comparing: byte strings in hexadecimal, a
// validity without end null, every other value as it is.
import { toHex } from '@cloister/core';
import type { Json } from './json.ts';
import type { Claims } from './types.ts';

/** The claims, member for member. */
export function claimsJson(claims: Claims): { readonly [name: string]: Json } {
  return plain(claims) as { [name: string]: Json };
}

function plain(value: unknown): Json {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(entries.map(([name, member]) => [name, plain(member)]));
  }
  return value === Number.POSITIVE_INFINITY ? null : (value as Json);
}
