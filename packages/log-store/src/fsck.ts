// SPDX-License-Identifier: Apache-2.0
// Checks a ledger's folder without changing it: every event against its record's check, all hashes
// again, every full tile, the checkpoint, and any heads that the caller knows from elsewhere (a
// witness, a cosigned checkpoint). Lists everything that is wrong, each with its code.
//
// It may run beside a writer; then the newest events may appear as a torn tail.
import { type CodedError, type CryptoPort, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { MerkleTree, TILE_WIDTH, type TreeHead, tilesOf } from '@cloister/tlog';
import { checkAgainst, compareTiles, readCheckpoint } from './checkpoint-file.ts';
import { checkHeader, formatHeader, scanRecords } from './entries-file.ts';
import { type LogStoreErrorCode, logStoreError } from './errors.ts';
import { type LogFs, nodeLogFs } from './log-fs.ts';
import { entriesPath } from './open-folder.ts';

export interface FsckProblem {
  readonly code: LogStoreErrorCode | 'torn-tail' | 'tile-missing';
  readonly message: string;
  /** True where opening the ledger repairs it without loss of anything acknowledged. */
  readonly harmless: boolean;
}

export interface FsckReport extends TreeHead {
  /** True when there is no problem, or harmless ones only. */
  readonly ok: boolean;
  readonly tiles: number;
  readonly problems: readonly FsckProblem[];
}

/** Checks the folder of a ledger. @throws CodedError when its files cannot be read at all */
export async function fsck(options: {
  readonly folder: string;
  readonly origin: string;
  /** Heads that this ledger must contain. */
  readonly heads?: readonly TreeHead[];
  readonly crypto?: CryptoPort;
  readonly fs?: LogFs;
}): Promise<FsckReport> {
  const { folder, origin, heads = [], crypto = nodeCrypto, fs = nodeLogFs } = options;
  const problems: FsckProblem[] = [];
  const note = (code: FsckProblem['code'], message: string, harmless: boolean) => {
    problems.push({ code, message, harmless });
  };
  const noteAll = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      if (!isCoded(error)) throw error;
      note((error as CodedError<LogStoreErrorCode>).code, error.message, false);
    }
  };
  const tree = new MerkleTree(crypto);
  const file = await fs.openToRead(entriesPath(folder));
  try {
    await noteAll(async () => {
      if (file === undefined) throw noEvents(folder);
      await checkHeader(file, origin);
      const start = formatHeader(origin).length;
      const scan = await scanRecords(crypto, file, start, (event) => tree.append(event));
      if (scan.rest > 0) {
        note('torn-tail', `${scan.rest} bytes after event ${scan.count - 1} are no record`, true);
      }
    });
  } finally {
    await file?.close();
  }
  await noteAll(async () => {
    const checkpoint = await readCheckpoint(fs, folder, origin);
    if (checkpoint !== undefined) checkAgainst(tree, checkpoint);
  });
  for (const head of heads) await noteAll(() => checkAgainst(tree, head));
  const { missing, damaged } = await compareTiles(fs, folder, tree);
  for (const tile of missing) {
    note('tile-missing', `tile ${tile.id.level}/${tile.id.index} is missing`, true);
  }
  for (const path of damaged) note('ledger-tile-damaged', `${path} differs from the events`, false);
  const tiles = [...tilesOf(tree.size)].filter((id) => id.width === TILE_WIDTH).length;
  return { ...tree.head(), ok: problems.every((p) => p.harmless), tiles, problems };
}

function noEvents(folder: string): Error {
  const message = `there is no entries.log in ${folder}`;
  return logStoreError('ledger-format-unknown', message);
}
