// SPDX-License-Identifier: Apache-2.0
// The inputs of a run: only the byte ranges of the columns that the run reads are fetched, every
// byte is checked against the digest tree in the dataset event and every page against its tag, and
// what comes out lies plain in the run's own folder in memory until the run is over. A gateway that
// is cut off, silent or lying costs only time: the chunk is asked of the next one, and chunks that
// held are kept.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '@cloister/attested';
import {
  BLOB_MOST,
  CheckedRanges,
  columnsRead,
  type DatasetFile,
  datasetAadPrefix,
  leavesMost,
  type ReadRun,
  type RightInput,
  RunMemory,
  readFileManifest,
} from '@cloister/contract';
import type { RunTable } from '@cloister/contract/policy';
import { type BlobStore, type CryptoPort, isCoded, type Timers } from '@cloister/core';
import {
  decryptProjection,
  fileSink,
  numberedKeys,
  type RandomAccess,
} from '@cloister/parquet-crypto';
import type { InputKeys, ReadRequest, ReadyInput } from './data-plane.ts';

/** One gateway's time for a run of chunks, 4 MiB at most. */
const CHUNK_MS = 15_000;
/** Files read side by side; each holds a few chunks and a page or two of plain values. */
const SIDE_BY_SIDE = 6;
/** Decrypted sooner than a thread has begun. */
const SMALL_BYTES = 8 * 1024 * 1024;
/** What another gateway may do better: wrong or short bytes, silence, a blob it does not have. */
const ANOTHER = new Set(['verification', 'unavailable', 'not-found', 'malformed']);

/**
 * The files of each input: the list that its event names, compared with what the event says.
 * @throws CodedError `file-manifest-malformed`, `file-manifest-differs`, and from blobs
 */
export function filesOf(
  inputs: readonly RightInput[],
  blobs: Pick<BlobStore, 'get'>,
): Promise<DatasetFile[][]> {
  return Promise.all(
    inputs.map(async ({ body: { files } }) => {
      return readFileManifest(await blobs.get(files.manifest, BLOB_MOST.manifest), files);
    }),
  );
}

/** The tables of a run as the engine will find them once its inputs are read. */
export function inputTables(
  request: Pick<ReadRequest, 'folder' | 'inputs' | 'files' | 'contents' | 'suppression'>,
): RunTable[] {
  const { folder, contents, suppression } = request;
  return request.inputs.map(({ input }, at) => ({
    name: contents.parameters.tables[at] ?? '',
    columns: contents.schemas[at]?.columns ?? [],
    granted: columnsRead(at, { uses: contents.uses, suppression, asked: input.columns }),
    files: (request.files[at] ?? []).map((_, file) => {
      return join(folder, `input-${at}-${file}.parquet`);
    }),
  }));
}

/** One file of an input, and where its plain columns go. */
interface FileToRead {
  readonly at: number;
  readonly file: number;
  readonly path: string;
  readonly columns: readonly string[];
}

/**
 * Decrypts every input's columns into the files of its table.
 * @throws CodedError from digest trees, tags and blobs
 */
export async function readInputs(request: ReadRequest): Promise<ReadyInput[]> {
  const tables = inputTables(request);
  const ready = tables.map(() => ({ rows: 0, bytes: 0 }));
  const left = tables.flatMap(({ columns: schema, granted, files }, at): FileToRead[] => {
    const columns = granted.map((id) => schema[id - 1]?.name ?? '');
    return files.map((path, file) => ({ at, file, path, columns }));
  });
  // The largest first, so that none is begun when the others are nearly done.
  left.sort((a, b) => fileOf(request, b).length - fileOf(request, a).length);
  const { memory = new RunMemory() } = request;
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const read = await readFile(request, next, memory);
      const sum = ready[next.at] as (typeof ready)[number];
      sum.rows += read.rows;
      sum.bytes += read.bytes;
    }
  };
  try {
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane));
  } finally {
    left.length = 0;
  }
  return ready;
}

function fileOf({ files }: ReadRequest, { at, file }: FileToRead): DatasetFile {
  return files[at]?.[file] as DatasetFile;
}

async function readFile(
  request: ReadRequest,
  of: FileToRead,
  memory: RunMemory,
): Promise<ReadyInput> {
  const { owner, input } = request.inputs[of.at] as RightInput;
  const { blob, length, root, leaves } = fileOf(request, of);
  const [leafHashes, blobsOf] = await Promise.all([
    request.blobs.get(leaves, leavesMost(length)),
    request.blobsOf(owner),
  ]);
  const { genesis, crypto, timers } = request;
  const from = { blobsOf, crypto, timers, memory };
  const { source, ranges } = steadyRanges({ root, length, leaves: leafHashes }, blob, from);
  const keys = request.keys[of.at] as InputKeys;
  const { dataset, version } = input;
  const sink = await open(of.path, 'wx', 0o600);
  try {
    const { rows } = await decryptProjection({
      source,
      sink: fileSink(sink),
      keys: numberedKeys(keys),
      columns: of.columns,
      aadPrefix: datasetAadPrefix({ genesis, dataset, version, file: of.file }),
      algorithms: ['AES_GCM_V1'],
      ...(length > SMALL_BYTES && request.pool !== undefined ? { pool: request.pool } : {}),
    });
    return { rows, bytes: ranges.fetched };
  } finally {
    ranges.close();
    await sink.close();
  }
}

/**
 * Checked ranges of a file over several gateways: it stays with one while what it answers holds,
 * and asks each once before it gives up. @throws CodedError what the last one's answer was
 */
export function steadyRanges(
  file: { root: Uint8Array; length: number; leaves: Uint8Array },
  blob: Uint8Array,
  from: {
    blobsOf: readonly BlobStore[];
    crypto: CryptoPort;
    timers: Timers;
    memory?: RunMemory;
    chunkMs?: number;
  },
): { source: RandomAccess; ranges: CheckedRanges } {
  const { blobsOf, timers, chunkMs: limitMs = CHUNK_MS } = from;
  let at = 0;
  const fetch: ReadRun = (start, end, into) => {
    const blobs = blobsOf[at % blobsOf.length] as BlobStore;
    const asked = blobs.range(blob, start, end, into);
    return within('a range of an encrypted file', { timers, limitMs }, asked);
  };
  const ranges = new CheckedRanges(file, fetch, from);
  const readInto = async (offset: number, target: Uint8Array): Promise<number> => {
    let last: unknown;
    for (let tries = 0; tries < blobsOf.length; tries++) {
      const asked = at;
      try {
        return await ranges.readInto(offset, target);
      } catch (error) {
        if (!isCoded(error) || !ANOTHER.has(error.kind)) throw error;
        last = error;
        // Reads run side by side: only the first that fails at this gateway moves on.
        if (asked === at) at += 1;
      }
    }
    throw last;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const out = new Uint8Array(Math.max(0, Math.min(length, ranges.size - offset)));
    await readInto(offset, out);
    return out;
  };
  return { source: { size: ranges.size, read, readInto }, ranges };
}
