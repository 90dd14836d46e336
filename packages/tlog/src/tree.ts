// SPDX-License-Identifier: Apache-2.0
// A growing Merkle tree that holds its tiles. Appending a leaf costs O(log n) hashes at worst and
// about one on average; the root costs O(log n), because the complete subtrees inside the last tile
// of each level are kept. All full tiles and the partial one of each level stay in memory, 32 bytes
// a leaf and 0.4 per cent more; `take` hands out the full tiles that have come about since the last
// call, for whoever keeps them on disk.
//
// Invariant: tile (L, N) holds the hashes of the complete subtrees of 256^L leaves numbered from
// 256 N, and level L+1 gets a hash exactly when a tile of level L becomes full (C2SP tlog-tiles).
import { assert, type CryptoPort } from '@cloister/core';
import { tlogError } from './errors.ts';
import {
  checkHash,
  checkPosition,
  emptyRoot,
  HASH_SIZE,
  leafHash,
  nodeHash,
  type TreeHead,
} from './hash.ts';
import { type HashReader, proveConsistency, proveInclusion } from './prove.ts';
import { foldRange, rangeNodes, type TreeNode } from './ranges.ts';
import { treeNodeHash } from './tile-nodes.ts';
import { TILE_WIDTH, type TileId, type TileReader } from './tiles.ts';

const LEVELS_PER_TILE = 8;

/** A tile of hashes with its name. */
export interface HashTile {
  readonly id: TileId & { readonly level: number };
  readonly bytes: Uint8Array;
}

/** An append-only Merkle tree in memory. */
export class MerkleTree implements TileReader {
  readonly #crypto: CryptoPort;
  /** [level][index]: a buffer for 256 hashes. */
  readonly #tiles: Uint8Array[][] = [];
  /** Complete subtrees of 256^level leaves, by level. */
  readonly #counts: number[] = [];
  /** [level][height]: in the last tile of each level, its complete subtrees in order. */
  readonly #inner: Uint8Array[][][] = [];
  #fresh: HashTile[] = [];

  constructor(crypto: CryptoPort) {
    this.#crypto = crypto;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#counts[0] ?? 0;
  }

  /** Adds an entry and answers its position. */
  append(entry: Uint8Array): number {
    return this.appendHash(leafHash(this.#crypto, entry));
  }

  /** Adds a leaf by its hash and answers its position. */
  appendHash(leaf: Uint8Array): number {
    checkHash(leaf, 'a leaf hash');
    const position = this.size;
    this.#push(0, leaf);
    return position;
  }

  #push(level: number, hash: Uint8Array): void {
    const count = this.#counts[level] ?? 0;
    const tiles = this.#tiles[level] ?? [];
    this.#tiles[level] = tiles;
    const at = count % TILE_WIDTH;
    if (at === 0) {
      tiles.push(new Uint8Array(TILE_WIDTH * HASH_SIZE));
      this.#inner[level] = Array.from({ length: LEVELS_PER_TILE }, () => []);
    }
    const tile = tiles.at(-1);
    assert(tile !== undefined, 'a level with a partial tile holds it');
    tile.set(hash, at * HASH_SIZE);
    this.#counts[level] = count + 1;
    const full = this.#close(level, at, tile.subarray(at * HASH_SIZE, (at + 1) * HASH_SIZE));
    if (full === undefined) return;
    const index = tiles.length - 1;
    this.#fresh.push({ id: { level, index, width: TILE_WIDTH }, bytes: tile });
    this.#push(level + 1, full);
  }

  /** Hashes the subtrees that number `at` of a tile completes; the tile's own when it is full. */
  #close(level: number, at: number, hash: Uint8Array): Uint8Array | undefined {
    let node = hash;
    for (let height = 0; height < LEVELS_PER_TILE; height++) {
      const row = this.#inner[level]?.[height];
      assert(row !== undefined, 'a level with a partial tile has its rows');
      row.push(node);
      if (((at >> height) & 1) === 0) return undefined;
      node = nodeHash(this.#crypto, row[row.length - 2] as Uint8Array, node);
    }
    return node;
  }

  /** The full tiles that came about since the last call. */
  take(): HashTile[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  /** The root of the tree as it is, or as it was with `size` leaves. */
  root(size: number = this.size): Uint8Array<ArrayBuffer> {
    this.#checkSize(size);
    if (size === 0) return emptyRoot(this.#crypto);
    const nodes = rangeNodes({ start: 0, end: size });
    return foldRange(
      this.#crypto,
      nodes.map((node) => this.#hash(node)),
    );
  }

  /** Size and root together. */
  head(size: number = this.size): TreeHead {
    return { size, root: this.root(size) };
  }

  /** The hash of leaf `index`. */
  leaf(index: number): Uint8Array<ArrayBuffer> {
    checkPosition(index, 'the leaf index');
    if (index >= this.size) throw this.#outside(`leaf ${index}`);
    return this.#hash({ level: 0, index }).slice();
  }

  /** The proof that leaf `index` is in the tree of `size` leaves. */
  async inclusionProof(index: number, size: number = this.size): Promise<Uint8Array[]> {
    this.#checkSize(size);
    const head = this.head(size);
    return (await proveInclusion(this.#crypto, this.hashes(), { index, ...head })).proof;
  }

  /** The proof that the tree of `to` leaves extends the one of `from`. */
  async consistencyProof(from: number, to: number = this.size): Promise<Uint8Array[]> {
    this.#checkSize(to);
    this.#checkSize(from);
    return proveConsistency(this.#crypto, this.hashes(), {
      from: this.head(from),
      to: this.head(to),
    });
  }

  /** This tree's hashes, for the functions of prove.ts. */
  hashes(): HashReader {
    return { readHashes: async (nodes) => nodes.map((node) => this.#hash(node)) };
  }

  /** @throws CodedError `tile-not-found` for a tile that this tree does not have, or a bundle */
  async readTile(id: TileId): Promise<Uint8Array> {
    const level = id.level === 'entries' ? -1 : id.level;
    const held = (this.#counts[level] ?? 0) - id.index * TILE_WIDTH;
    const tile = this.#tiles[level]?.[id.index];
    if (tile === undefined || held < id.width) {
      const message = `no tile ${id.level}/${id.index} of width ${id.width} in ${this.size} leaves`;
      throw tlogError('tile-not-found', message);
    }
    return tile.slice(0, id.width * HASH_SIZE);
  }

  #hash(node: TreeNode): Uint8Array {
    const level = Math.floor(node.level / LEVELS_PER_TILE);
    const height = node.level % LEVELS_PER_TILE;
    const first = node.index * 2 ** height;
    const index = Math.floor(first / TILE_WIDTH);
    const tile = this.#tiles[level]?.[index];
    assert(tile !== undefined, 'a node of the tree lies in a tile');
    if (index === (this.#tiles[level]?.length ?? 0) - 1) {
      const known = this.#inner[level]?.[height]?.[(first % TILE_WIDTH) / 2 ** height];
      if (known !== undefined) return known;
    }
    return treeNodeHash(this.#crypto, tile, height, (first % TILE_WIDTH) / 2 ** height);
  }

  #checkSize(size: number): void {
    checkPosition(size, 'the tree size');
    if (size > this.size) throw this.#outside(`a tree of ${size} leaves`);
  }

  #outside(what: string): Error {
    const message = `${what} was asked for, but only ${this.size} leaves are here: read on first`;
    return tlogError('tree-position-invalid', message);
  }
}
