// SPDX-License-Identifier: Apache-2.0
// The files beside `entries.log` that are derived from it: `checkpoint` (a size and root that were
// acknowledged, a moment behind) and the full tiles. They are what a damaged or shortened
// `entries.log` is noticed by, and what any web server can serve.
import { type CryptoPort, equal, fromUtf8, isCoded, utf8 } from '@cloister/core';
import {
  type Checkpoint,
  formatCheckpoint,
  type HashTile,
  type MerkleTree,
  parseCheckpoint,
  TILE_WIDTH,
  tilePath,
  tilesOf,
} from '@cloister/tlog';
import { logStoreError } from './errors.ts';
import type { LogFs } from './log-fs.ts';

/** Name of the file in the ledger's folder. */
export const CHECKPOINT_FILE = 'checkpoint';

/** Writes the checkpoint durably. */
export async function writeCheckpoint(
  fs: LogFs,
  folder: string,
  checkpoint: Checkpoint,
): Promise<void> {
  await fs.replace(`${folder}/${CHECKPOINT_FILE}`, utf8(formatCheckpoint(checkpoint)));
}

/**
 * Reads the checkpoint; undefined if there is none. @throws CodedError `ledger-checkpoint-damaged`,
 * `ledger-origin-mismatch`
 */
export async function readCheckpoint(
  fs: LogFs,
  folder: string,
  origin: string,
): Promise<Checkpoint | undefined> {
  const bytes = await fs.readFile(`${folder}/${CHECKPOINT_FILE}`);
  if (bytes === undefined) return undefined;
  let checkpoint: Checkpoint;
  try {
    checkpoint = parseCheckpoint(fromUtf8(bytes));
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message =
      'the file checkpoint is cut or damaged: run fsck with a cosigned head, then remove it';
    throw logStoreError('ledger-checkpoint-damaged', message, { cause });
  }
  if (checkpoint.origin !== origin) {
    const message = `the checkpoint in this folder is ${checkpoint.origin}, wanted ${origin}`;
    throw logStoreError('ledger-origin-mismatch', message);
  }
  return checkpoint;
}

/**
 * Checks recomputed events against what was acknowledged before.
 * @throws CodedError `ledger-acknowledged-lost`, `ledger-history-changed`
 */
export function checkAgainst(tree: MerkleTree, known: { size: number; root: Uint8Array }): void {
  if (tree.size < known.size) {
    const message = `${tree.size} of ${known.size} acknowledged events are left: restore a copy`;
    const details = { got: tree.size, wanted: known.size };
    throw logStoreError('ledger-acknowledged-lost', message, { details });
  }
  if (!equal(tree.root(known.size), known.root)) {
    const message = `the first ${known.size} events are not what they were: two histories`;
    const details = { size: known.size };
    throw logStoreError('ledger-history-changed', message, { details });
  }
}

/** Writes full tiles. */
export async function writeTiles(
  fs: LogFs,
  folder: string,
  tiles: readonly HashTile[],
): Promise<void> {
  for (const tile of tiles) await fs.replace(`${folder}/${tilePath(tile.id)}`, tile.bytes);
}

/** The full tiles of `tree` whose file is missing, and the paths of those whose file differs. */
export async function compareTiles(
  fs: LogFs,
  folder: string,
  tree: MerkleTree,
): Promise<{ missing: HashTile[]; damaged: string[] }> {
  const missing: HashTile[] = [];
  const damaged: string[] = [];
  for (const id of tilesOf(tree.size)) {
    if (id.width !== TILE_WIDTH) continue;
    const wanted = await tree.readTile(id);
    const got = await fs.readFile(`${folder}/${tilePath(id)}`);
    if (got === undefined) missing.push({ id, bytes: wanted });
    else if (!equal(got, wanted)) damaged.push(tilePath(id));
  }
  return { missing, damaged };
}

/** What an opened folder needs in common. */
export interface FolderContext {
  readonly crypto: CryptoPort;
  readonly fs: LogFs;
  readonly folder: string;
  readonly origin: string;
}
