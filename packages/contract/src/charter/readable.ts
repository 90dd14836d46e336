// SPDX-License-Identifier: Apache-2.0
// A charter as JSON that people read and change: byte strings as {"hex": "..."}.
import { firstIssue, fromHex, isCoded, toHex } from '@cloister/core';
import { contractError } from '../errors.ts';
import { type CharterBody, charterBody } from './body.ts';

export function readableCharter(body: CharterBody): Record<string, unknown> {
  const text = JSON.stringify(body, (_key, value: unknown) =>
    value instanceof Uint8Array ? { hex: toHex(value) } : value,
  );
  return JSON.parse(text) as Record<string, unknown>;
}

/** @throws CodedError `charter-unreadable`: where, and what is wrong */
export function charterFromReadable(value: unknown): CharterBody {
  let bytes: unknown;
  try {
    bytes = fromReadable(value);
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw contractError('charter-unreadable', error.message);
  }
  const parsed = charterBody.safeParse(bytes);
  if (parsed.success) return parsed.data;
  const { where, says } = firstIssue(parsed.error);
  throw contractError('charter-unreadable', `${where}: ${says}`);
}

function fromReadable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromReadable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === 'hex' && typeof only[1] === 'string') {
    return fromHex(only[1]);
  }
  return Object.fromEntries(entries.map(([key, inner]) => [key, fromReadable(inner)]));
}
