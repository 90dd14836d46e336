// SPDX-License-Identifier: Apache-2.0
// The state's bytes: whoever folds on from them sees what everybody sees, whatever order its tables
// came in; and bytes that are no state, bent anywhere, are refused with a code.
import { CodedError, decodeCbor, encodeCbor, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type World, wholeStory } from '@cloister/testkit/world';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../events/admit.ts';
import type { AnyEvent } from '../events/event.ts';
import { fold } from './fold.ts';
import { emptyState, type FoldState } from './state.ts';
import { decodeState, encodeState, STATE_SCHEMA } from './state-codec.ts';

let world: World;
let story: AnyEvent[];
let bytes: Uint8Array;

beforeAll(async () => {
  ({ world } = await wholeStory());
  story = await Promise.all(world.log.map((entry) => admit(entry, nodeCrypto)));
  bytes = encodeState(world.state);
});

/** The state with every table in the reverse order. */
function reversed<T>(value: T): T {
  if (value instanceof Map) {
    return new Map([...value].reverse().map(([key, inner]) => [key, reversed(inner)])) as T;
  }
  if (value instanceof Set) return new Set([...value].reverse()) as T;
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(reversed) as T;
  const entries = Object.entries(value).map(([name, inner]) => [name, reversed(inner)]);
  return Object.fromEntries(entries) as T;
}

describe('a state as bytes', () => {
  it('comes back equal, at every position', () => {
    const state = emptyState(world.genesis);
    for (const event of story) {
      fold(state, event);
      expect(decodeState(encodeState(state))).toEqual(state);
    }
  });

  it('folds on as it would have, whatever order its tables are in', () => {
    const order = fc.shuffledSubarray(story.map((_, i) => i));
    fc.assert(
      fc.property(order, fc.nat(story.length), (shuffled, upTo) => {
        const first = story.slice(0, upTo);
        const then = shuffled.map((i) => story[i] as AnyEvent);
        const state = emptyState(world.genesis);
        for (const event of first) fold(state, event);
        const others = [decodeState(encodeState(state)), reversed(state)];
        for (const event of then) {
          const outcome = fold(state, event);
          for (const other of others) expect(fold(other, event)).toEqual(outcome);
        }
        const end = toHex(encodeState(state));
        for (const other of others) expect(toHex(encodeState(other))).toBe(end);
      }),
      { numRuns: 40 },
    );
  });

  it('is refused where it is bent, or says the same as before', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bent = Uint8Array.from(bytes);
        bent[at] = (bent[at] as number) ^ by;
        expect(roundTrip(bent)).toBe(true);
        expect(roundTrip(bytes.slice(0, at))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is refused under another schema, with a field more or less, or of no form', () => {
    const [, value] = decodeCbor(bytes, { maps: true }) as [number, Map<string, never>];
    const more = new Map([...value, ['more', 1 as never]]);
    const less = new Map([...value].slice(1));
    const codes = [
      [STATE_SCHEMA + 1, value],
      [STATE_SCHEMA, more],
      [STATE_SCHEMA, less],
      [],
      7,
    ].map((bad) => codeOf(encodeCbor(bad as never)));
    expect(codes).toEqual([
      'state-schema',
      'state-malformed',
      'state-malformed',
      'state-schema',
      'state-schema',
    ]);
    expect(codeOf(Uint8Array.of(0xff))).toBe('state-malformed');
  });
});

/** True where bytes are refused with a code, or are the one encoding of what they decode to. */
function roundTrip(from: Uint8Array): boolean {
  let state: FoldState;
  try {
    state = decodeState(from);
  } catch (error) {
    return error instanceof CodedError && error.code.startsWith('state-');
  }
  return toHex(encodeState(state)) === toHex(from);
}

function codeOf(from: Uint8Array): string {
  try {
    decodeState(from);
    return 'decoded';
  } catch (error) {
    return error instanceof CodedError ? error.code : String(error);
  }
}
