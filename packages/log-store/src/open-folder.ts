// SPDX-License-Identifier: Apache-2.0
// Opening a ledger's folder: lock, header, every record hashed again, the checkpoint, every full
// tile. Nothing is changed before all of it is in order; then a torn tail is cut off and missing
// derived files are written.
import { CodedError, type CryptoPort } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { MerkleTree } from '@cloister/tlog';
import {
  checkAgainst,
  compareTiles,
  type FolderContext,
  readCheckpoint,
  writeCheckpoint,
  writeTiles,
} from './checkpoint-file.ts';
import { checkHeader, formatHeader, scanRecords } from './entries-file.ts';
import { logStoreError } from './errors.ts';
import { type LogFile, type LogFs, nodeLogFs } from './log-fs.ts';

/** What opening had to do. */
export interface Recovery {
  /** Bytes of a torn tail that were cut off; nothing in them was acknowledged. */
  readonly tornBytes: number;
  /** Full tiles that were missing and written again. */
  readonly tilesWritten: number;
}

/** An opened folder; `offsets` has where each record begins, and where the next one will. */
export interface Opened {
  readonly context: FolderContext;
  readonly unlock: () => Promise<void>;
  readonly file: LogFile;
  readonly tree: MerkleTree;
  readonly offsets: number[];
  readonly recovery: Recovery;
  readonly checkpointed: number;
}

/** Opens or makes the ledger in a folder. */
export async function openFolder(options: {
  readonly folder: string;
  readonly origin: string;
  readonly crypto?: CryptoPort;
  readonly fs?: LogFs;
}): Promise<Opened> {
  const { folder, origin, fs = nodeLogFs, crypto = nodeCrypto } = options;
  const context = { folder, origin, fs, crypto };
  await fs.makeFolder(folder);
  const unlock = await fs.lock(folder);
  let file: LogFile | undefined;
  try {
    file = await fs.open(entriesPath(folder));
    return { context, unlock, file, ...(await recover(context, file)) };
  } catch (error) {
    await file?.close().catch(() => undefined);
    await unlock();
    throw error;
  }
}

async function recover(
  context: FolderContext,
  file: LogFile,
): Promise<Pick<Opened, 'tree' | 'offsets' | 'recovery' | 'checkpointed'>> {
  const { crypto, fs, folder, origin } = context;
  const checkpoint = await readCheckpoint(fs, folder, origin);
  const header = formatHeader(origin);
  if (checkpoint === undefined && (await isUnbegun(file, header))) {
    await file.truncate(0);
    await file.write(header, 0);
    await file.sync();
  }
  const lost = checkpoint !== undefined && (await file.size()) < header.length;
  if (lost) checkAgainst(new MerkleTree(crypto), checkpoint);
  await checkHeader(file, origin);
  const tree = new MerkleTree(crypto);
  const offsets: number[] = [];
  const scan = await scanRecords(crypto, file, header.length, (event, _seq, offset) => {
    tree.append(event);
    offsets.push(offset);
  });
  offsets.push(scan.end);
  if (checkpoint !== undefined) checkAgainst(tree, checkpoint);
  const { missing, damaged } = await compareTiles(fs, folder, tree);
  if (damaged.length > 0) throw damagedTile(damaged);
  if (scan.rest > 0) await file.truncate(scan.end);
  await file.sync();
  await writeTiles(fs, folder, missing);
  tree.take();
  if (checkpoint?.size !== tree.size) {
    await writeCheckpoint(fs, folder, { origin, ...tree.head() });
  }
  const recovery = { tornBytes: scan.rest, tilesWritten: missing.length };
  return { tree, offsets, recovery, checkpointed: tree.size };
}

/** Whether making the log was cut short: before its first checkpoint nothing is acknowledged. */
async function isUnbegun(file: LogFile, header: Uint8Array): Promise<boolean> {
  const size = await file.size();
  if (size > header.length) return false;
  const got = await file.read(size, 0);
  return size < header.length || got.every((byte) => byte === 0);
}

/** Path of the entries in a ledger's folder. */
export function entriesPath(folder: string): string {
  return `${folder}/entries.log`;
}

/** Runs file work; what the system throws becomes a coded error. */
export async function ioCoded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    if (errno === 'ENOSPC' || errno === 'EDQUOT') {
      const message = `the ledger's disk is full (could not ${what}): free space, then try again`;
      throw logStoreError('ledger-disk-full', message, { cause });
    }
    const message = `the ledger could not ${what} its files (${errno}): outcome unknown, try again`;
    throw logStoreError('ledger-io-failed', message, { cause });
  }
}

function damagedTile(paths: readonly string[]): Error {
  const advice = 'run fsck with a cosigned head; if only they are wrong, remove them';
  const message = `${paths.length} tiles differ from the events (${paths[0]}): ${advice}`;
  const details = { tiles: paths.slice(0, 16) };
  return logStoreError('ledger-tile-damaged', message, { details });
}
