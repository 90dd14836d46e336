// SPDX-License-Identifier: Apache-2.0
// A quick look at CBOR that settles the usual case: whole numbers, byte strings, plain text, lists
// and maps in their deterministic encoding. It reads the bytes once and makes nothing of them,
// where the sure way decodes, encodes again and compares. Invariant: a yes is never wrong; a no
// says nothing, and the caller goes the sure way. RFC 8949 section 4.2.1.

/** How deep lists and maps may nest for a quick yes. */
const DEPTH = 32;
const NEVER = -1;
/** `__proto__` as a key would be lost in an object. */
const PROTO = '__proto__';

/**
 * Whether `bytes` are surely one deterministic item of the usual kinds, with text for map keys; or,
 * with `maps`, whole numbers as well.
 */
export function surelyDeterministic(bytes: Uint8Array, maps: boolean): boolean {
  return itemEnd(bytes, 0, { maps, depth: 0 }) === bytes.length;
}

/** The position after the item at `at`, or `NEVER`. */
function itemEnd(
  bytes: Uint8Array,
  at: number,
  { maps, depth }: { maps: boolean; depth: number },
): number {
  const first = bytes[at];
  if (first === undefined) return NEVER;
  const major = first >> 5;
  if (major === 7) return first >= 0xf4 && first <= 0xf6 ? at + 1 : NEVER;
  const body = headEnd(bytes, at);
  if (body === NEVER || major === 6) return NEVER;
  if (major <= 1) return body;
  const length = argument(bytes, at);
  if (major <= 3) return stringEnd(bytes, body, { length, text: major === 3 });
  if (depth === DEPTH || length > bytes.length) return NEVER;
  const inner = { maps, depth: depth + 1 };
  return major === 4 ? listEnd(bytes, body, length, inner) : mapEnd(bytes, body, length, inner);
}

type Inner = { maps: boolean; depth: number };

function listEnd(bytes: Uint8Array, from: number, length: number, inner: Inner): number {
  let at = from;
  for (let i = 0; i < length && at !== NEVER; i++) at = itemEnd(bytes, at, inner);
  return at;
}

/** Keys ascend by their encodings, so none stands twice. */
function mapEnd(bytes: Uint8Array, from: number, length: number, inner: Inner): number {
  let at = from;
  let [keyFrom, keyTo] = [from, from];
  for (let i = 0; i < length; i++) {
    const end = keyEnd(bytes, at, inner);
    if (end === NEVER || (i > 0 && !ascending(bytes, [keyFrom, keyTo], [at, end]))) return NEVER;
    [keyFrom, keyTo] = [at, end];
    at = itemEnd(bytes, end, inner);
    if (at === NEVER) return NEVER;
  }
  return at;
}

function keyEnd(bytes: Uint8Array, at: number, inner: Inner): number {
  const major = (bytes[at] ?? 0xff) >> 5;
  if (major === 3) {
    const end = itemEnd(bytes, at, inner);
    const name = end - at === PROTO.length + 1;
    return name && isProto(bytes, at + 1) ? NEVER : end;
  }
  return inner.maps && major <= 1 ? itemEnd(bytes, at, inner) : NEVER;
}

function isProto(bytes: Uint8Array, at: number): boolean {
  return [...PROTO].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
}

function ascending(bytes: Uint8Array, [a, aEnd]: number[], [b, bEnd]: number[]): boolean {
  const length = Math.min((aEnd as number) - (a as number), (bEnd as number) - (b as number));
  for (let i = 0; i < length; i++) {
    const [x, y] = [bytes[(a as number) + i] as number, bytes[(b as number) + i] as number];
    if (x !== y) return x < y;
  }
  return (aEnd as number) - (a as number) < (bEnd as number) - (b as number);
}

function stringEnd(
  bytes: Uint8Array,
  from: number,
  { length, text }: { length: number; text: boolean },
): number {
  const end = from + length;
  if (end > bytes.length) return NEVER;
  if (!text) return end;
  for (let i = from; i < end; i++) if ((bytes[i] as number) > 0x7f) return NEVER;
  return end;
}

/** The position after the head at `at` where its argument is in its shortest form. */
function headEnd(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) & 0x1f;
  if (low < 24) return at + 1;
  const width = low <= 27 ? 1 << (low - 24) : 0;
  const end = at + 1 + width;
  if (width === 0 || end > bytes.length) return NEVER;
  const value = argument(bytes, at);
  const least = [24, 0x100, 0x1_0000, 0x1_0000_0000][low - 24] as number;
  // Well below 2^53 - 1, which numbers of either sign may have.
  return value >= least && value < 2 ** 52 ? end : NEVER;
}

/** The argument of the head at `at`, all of which is there. */
function argument(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) & 0x1f;
  if (low < 24) return low;
  let value = 0;
  for (let i = 1; i <= 1 << (low - 24); i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}
