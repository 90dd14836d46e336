// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR (RFC 8949 section 4.2.1) over cborg: definite lengths, shortest forms, map
// keys in bytewise order of their encodings. `decodeCbor` accepts exactly what `encodeCbor` can
// produce: it decodes strictly, encodes again and compares, so one value has one encoding and a
// digest of bytes is a digest of the value.
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { equal } from './bytes.ts';
import { CodedError, type CoreErrorCode } from './errors.ts';

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

const DECODE = {
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: true,
  strict: true,
  rejectDuplicateMapKeys: true,
} as const;

/** The one deterministic encoding of `value`. */
export function encodeCbor(value: Cbor): Uint8Array<ArrayBuffer> {
  try {
    return encode(value, rfc8949EncodeOptions) as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    const message = 'a value has no CBOR encoding here (undefined, a symbol, a function)';
    throw new CodedError<CoreErrorCode>('cbor-unencodable', 'malformed', message, { cause });
  }
}

/**
 * Decodes one deterministic item that fills `bytes` whole. Maps become objects, so their keys must
 * be text; with `maps: true` every map becomes a Map and integer keys are allowed.
 * @throws CodedError `cbor-malformed`, `cbor-not-deterministic`
 */
export function decodeCbor(bytes: Uint8Array, options: { maps?: boolean } = {}): Cbor {
  const value = decodeCborLenient(bytes, options);
  let again: Uint8Array | undefined;
  try {
    again = encode(value, rfc8949EncodeOptions);
  } catch {
    again = undefined;
  }
  if (again === undefined || !equal(again, bytes)) {
    const message = 'CBOR is not in its deterministic encoding (RFC 8949 section 4.2.1)';
    throw new CodedError<CoreErrorCode>('cbor-not-deterministic', 'malformed', message);
  }
  return value;
}

/**
 * Decodes one well-formed item of foreign origin (attestation documents), whose encoder need not be
 * deterministic. Duplicate keys, indefinite lengths and trailing bytes are still refused.
 * @throws CodedError `cbor-malformed`
 */
export function decodeCborLenient(
  bytes: Uint8Array,
  options: { maps?: boolean; tags?: Record<number, (inner: unknown) => unknown> } = {},
): Cbor {
  try {
    return decode(bytes, {
      ...DECODE,
      strict: false,
      useMaps: options.maps === true,
      ...(options.tags === undefined
        ? {}
        : {
            tags: Object.fromEntries(
              Object.entries(options.tags).map(([tag, f]) => [
                tag,
                (inner: () => unknown) => f(inner()),
              ]),
            ),
          }),
    }) as Cbor;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 120) : 'unknown';
    const message = `not well-formed CBOR: ${reason}`;
    throw new CodedError<CoreErrorCode>('cbor-malformed', 'malformed', message);
  }
}
