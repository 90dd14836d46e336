// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR (RFC 8949 section 4.2.1) over cborg: definite lengths, shortest forms, map
// keys in bytewise order of their encodings. `decodeCbor` accepts exactly what `encodeCbor` can
// produce: what cbor-walk.ts is not sure of at a glance is encoded again and compared, so one value
// has one encoding and a digest of bytes is a digest of the value. Invariants: what has no decoding
// is not encoded (undefined, NaN, lone surrogates, integers that a double cannot hold); nesting is
// bounded.
import { type DecodeOptions, decode, encode, rfc8949EncodeOptions } from 'cborg';
import { equal } from './bytes.ts';
import { surelyDeterministic } from './cbor-walk.ts';
import { CodedError, type CoreErrorCode, coreError } from './errors.ts';

/** What may be encoded: text-keyed objects, or Maps where keys are integers. */
export type Cbor =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Cbor[]
  | { readonly [key: string]: Cbor }
  | ReadonlyMap<number | string, Cbor>;

/** How deep arrays and maps may nest, the outermost included. */
export const CBOR_MAX_DEPTH = 64;

const DECODE = {
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  strict: false,
  rejectDuplicateMapKeys: true,
} as const;

/**
 * The one deterministic encoding of `value`. Whole numbers past 2^53 - 1 must be bigints.
 * @throws CodedError `cbor-unencodable`
 */
export function encodeCbor(value: Cbor): Uint8Array<ArrayBuffer> {
  const fault = faultOf(value, 1, false);
  if (fault !== undefined) throw unencodable(fault);
  try {
    return encode(value, rfc8949EncodeOptions) as Uint8Array<ArrayBuffer>;
  } catch {
    throw unencodable('a bigint past 64 bits');
  }
}

/**
 * Decodes one deterministic item that fills `bytes` whole. Maps become objects, so their keys must
 * be text; with `maps: true` every map becomes a Map and integer keys are allowed.
 * @throws CodedError `cbor-malformed`, `cbor-not-deterministic`
 */
export function decodeCbor(bytes: Uint8Array, options: { maps?: boolean } = {}): Cbor {
  const maps = options.maps === true;
  const value = decodeAny(bytes, { useMaps: maps });
  if (surelyDeterministic(bytes, maps)) return value;
  const fault = faultOf(value, 1, false);
  if (fault !== undefined || !equal(encode(value, rfc8949EncodeOptions), bytes)) {
    const message = 'CBOR is not in its deterministic encoding (RFC 8949 section 4.2.1)';
    const why = fault === undefined ? message : `${message}: it holds ${fault}`;
    throw coreError('cbor-not-deterministic', why);
  }
  return value;
}

/**
 * Decodes one well-formed item of foreign origin (attestation documents), whose encoder need not be
 * deterministic. Duplicate keys, text that is not UTF-8 and trailing bytes are still refused, and
 * indefinite lengths too unless `indefinite` is true. `tags` says what a tag makes of its inner
 * value; other tags are refused.
 * @throws CodedError `cbor-malformed`
 */
export function decodeCborLenient(
  bytes: Uint8Array,
  options: {
    maps?: boolean;
    indefinite?: boolean;
    tags?: Record<number, (inner: unknown) => unknown>;
  } = {},
): Cbor {
  const tags = Object.entries(options.tags ?? {}).map(([tag, f]) => [
    tag,
    (inner: () => unknown) => f(inner()),
  ]);
  const value = decodeAny(bytes, {
    useMaps: options.maps === true,
    allowIndefinite: options.indefinite === true,
    tags: Object.fromEntries(tags),
  });
  const fault = faultOf(value, 1, true);
  if (fault !== undefined) throw malformed(`it holds ${fault}`);
  return value;
}

function decodeAny(bytes: Uint8Array, options: Partial<DecodeOptions>): Cbor {
  try {
    return decode(bytes, { ...DECODE, ...options }) as Cbor;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw malformed(error instanceof Error ? error.message.slice(0, 120) : 'unknown');
  }
}

/**
 * What makes a value fall outside `Cbor`, in words; undefined when nothing does. Foreign values may
 * hold whatever a caller's tag functions made, and no U+FFFD: that is what bad UTF-8 decodes to.
 */
function faultOf(value: unknown, depth: number, foreign: boolean): string | undefined {
  if (typeof value === 'string') {
    if (foreign) return value.includes('\ufffd') ? 'text that is not UTF-8' : undefined;
    return /\p{Surrogate}/u.test(value) ? 'a lone surrogate' : undefined;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return 'a number that is not finite';
    const unsafe = Number.isInteger(value) && !Number.isSafeInteger(value);
    return unsafe && !foreign ? 'a whole number past 2^53 - 1 that is no bigint' : undefined;
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return undefined;
  if (value instanceof Uint8Array) return undefined;
  if (typeof value !== 'object') return foreign ? undefined : `the type ${typeof value}`;
  if (depth > CBOR_MAX_DEPTH) return `more than ${CBOR_MAX_DEPTH} levels`;
  if (Array.isArray(value)) return firstFault(value, depth, foreign);
  if (value instanceof Map) {
    for (const key of value.keys()) {
      const known = typeof key === 'string' || Number.isSafeInteger(key);
      if (!known) return 'a map key that is neither text nor a safe integer';
    }
    return firstFault([...value.keys(), ...value.values()], depth, foreign);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = prototype === Object.prototype || prototype === null;
  if (!plain) return foreign ? undefined : 'an object that is not plain';
  return firstFault([...Object.keys(value), ...Object.values(value)], depth, foreign);
}

function firstFault(
  values: readonly unknown[],
  depth: number,
  foreign: boolean,
): string | undefined {
  // By index, so that the holes of a sparse array are seen as the undefined they encode to.
  for (let i = 0; i < values.length; i++) {
    const fault = faultOf(values[i], depth + 1, foreign);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function unencodable(what: string): CodedError<CoreErrorCode> {
  const message = `a value has no CBOR encoding here: it holds ${what}`;
  return coreError('cbor-unencodable', message);
}

function malformed(why: string): CodedError<CoreErrorCode> {
  return coreError('cbor-malformed', `not well-formed CBOR: ${why}`);
}
