// SPDX-License-Identifier: Apache-2.0
// Tiles and entry bundles (C2SP tlog-tiles): names, sizes and bytes.
//
//   tile/<L>/<N>          256 hashes of complete subtrees of 256^L leaves, 8,192 bytes
//   tile/<L>/<N>.p/<W>    the first W (1 to 255) of them
//   tile/entries/<N>      256 entries, each a big-endian uint16 length and its bytes
//   tile/entries/<N>.p/<W>
//
// <N> is written in groups of three digits, all but the last begun with x: 1234067 is
// x001/x234/067. An entry therefore has at most 65,535 bytes.
import { concat } from '@cloister/core';
import { tlogError } from './errors.ts';
import { checkPosition, HASH_SIZE } from './hash.ts';

/** Hashes in a full tile and entries in a full bundle. */
export const TILE_WIDTH = 256;

/** Most bytes of one entry: the length prefix of a bundle has 16 bits. */
export const ENTRY_SIZE_MAX = 65_535;

const TILE_LEVEL_MAX = 63;

/** Names a tile of hashes (a number as level) or a bundle of entries. */
export interface TileId {
  readonly level: number | 'entries';
  readonly index: number;
  /** How many hashes or entries: 256 is full. */
  readonly width: number;
}

/** Where tiles come from. @throws CodedError `tile-not-found` */
export interface TileReader {
  readTile(id: TileId): Promise<Uint8Array>;
}

/** Path of a tile below the log's prefix. */
export function tilePath(id: TileId): string {
  checkPosition(id.index, 'the index of a tile');
  const groups: string[] = [];
  let rest = id.index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const last = groups.pop() as string;
  const index = [...groups.map((group) => `x${group}`), last].join('/');
  return `tile/${id.level}/${index}${id.width === TILE_WIDTH ? '' : `.p/${id.width}`}`;
}

/** Reads what `tilePath` writes, nothing else. @throws CodedError `tile-path-malformed` */
export function parseTilePath(path: string): TileId {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null || path.length > 64) throw pathMalformed();
  const [, level, groups, width] = match as unknown as [string, string, string, string | undefined];
  const id: TileId = {
    level: level === 'entries' ? 'entries' : Number(level),
    index: Number(groups.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  const known = id.level === 'entries' || id.level <= TILE_LEVEL_MAX;
  if (!known || !Number.isSafeInteger(id.index) || id.width < 1 || id.width > TILE_WIDTH) {
    throw pathMalformed();
  }
  if (tilePath(id) !== path) throw pathMalformed();
  return id;
}

function pathMalformed(): Error {
  const message =
    'a tile path is tile/<level or entries>/<x000/...>000 with .p/<1 to 255> if partial';
  return tlogError('tile-path-malformed', message);
}

/** The hashes of a tile. @throws CodedError `tile-malformed` when the size is not `width` hashes */
export function parseTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * HASH_SIZE) {
    const message = `a tile of width ${width} has ${width * HASH_SIZE} bytes, got ${bytes.length}`;
    throw tlogError('tile-malformed', message);
  }
  return Array.from({ length: width }, (_, i) =>
    bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE),
  );
}

/** The bytes of a bundle. @throws CodedError `entry-too-large` */
export function formatBundle(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.length > ENTRY_SIZE_MAX) {
      const message = `an entry has at most ${ENTRY_SIZE_MAX} bytes, got ${entry.length}`;
      throw tlogError('entry-too-large', message);
    }
    parts.push(Uint8Array.of(entry.length >>> 8, entry.length & 0xff), entry);
  }
  return concat(...parts);
}

/** The entries of a bundle, `width` of them if given. @throws CodedError `bundle-malformed` */
export function parseBundle(bytes: Uint8Array, width?: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) throw bundleMalformed('ends inside a length');
    const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    if (at + 2 + length > bytes.length) throw bundleMalformed('ends inside an entry');
    entries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  if (width !== undefined && entries.length !== width) {
    throw bundleMalformed(`has ${entries.length} entries, wanted ${width}`);
  }
  return entries;
}

function bundleMalformed(what: string): Error {
  return tlogError('bundle-malformed', `an entry bundle ${what}`);
}

/** Every tile of hashes of a tree with `size` leaves, partial ones included, lowest level first. */
export function* tilesOf(size: number): Generator<TileId & { readonly level: number }> {
  checkPosition(size, 'the tree size');
  let nodes = size;
  for (let level = 0; nodes > 0; level++) {
    const full = Math.floor(nodes / TILE_WIDTH);
    for (let index = 0; index < full; index++) yield { level, index, width: TILE_WIDTH };
    if (nodes % TILE_WIDTH > 0) yield { level, index: full, width: nodes % TILE_WIDTH };
    nodes = full;
  }
}
