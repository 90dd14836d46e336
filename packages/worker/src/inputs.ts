// SPDX-License-Identifier: Apache-2.0
// The inputs of a run: only the byte ranges of the columns that the run reads are fetched, every
// byte is checked against the digest tree in the dataset event and every page against its tag, and
// what comes out lies plain in the run's own folder in memory until the run is over.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CheckedRanges,
  columnsRead,
  datasetAadPrefix,
  type RightInput,
  type TaskContents,
} from '@cloister/contract';
import type { RunTable, Suppression } from '@cloister/contract/policy';
import type { BlobStore, CryptoPort } from '@cloister/core';
import { decryptProjection, fileSink, masterKeys } from '@cloister/parquet-crypto';
import type { InputKeys } from './keys.ts';

/** An input ready for the engine, and what was counted on the way. */
export interface ReadyInput {
  readonly table: RunTable;
  readonly rows: number;
  /** Encrypted bytes fetched, whole chunks counted. */
  readonly bytes: number;
}

export interface ReadRequest {
  readonly genesis: Uint8Array;
  readonly blobs: BlobStore;
  readonly crypto: CryptoPort;
  /** Folder of the run, in memory. */
  readonly folder: string;
  readonly inputs: readonly RightInput[];
  readonly contents: TaskContents;
  readonly suppression: readonly Suppression[];
  readonly keys: readonly InputKeys[];
}

/** Decrypts every input's columns. @throws CodedError from digest trees, tags and blobs */
export async function readInputs(request: ReadRequest): Promise<ReadyInput[]> {
  const ready: ReadyInput[] = [];
  for (let at = 0; at < request.inputs.length; at++) ready.push(await readInput(request, at));
  return ready;
}

async function readInput(request: ReadRequest, at: number): Promise<ReadyInput> {
  const { contents, suppression } = request;
  const right = request.inputs[at] as RightInput;
  const schema = contents.schemas[at]?.columns ?? [];
  const by = { uses: contents.uses, suppression, asked: right.input.columns };
  const granted = columnsRead(at, by);
  const columns = granted.map((id) => schema[id - 1]?.name ?? '');
  const files: string[] = [];
  let rows = 0;
  let bytes = 0;
  for (let file = 0; file < right.body.files.length; file++) {
    const path = join(request.folder, `input-${at}-${file}.parquet`);
    const read = await readFile(request, { right, at, file, columns, path });
    files.push(path);
    rows += read.rows;
    bytes += read.bytes;
  }
  const name = contents.parameters.tables[at] ?? '';
  return { table: { name, columns: schema, granted, files }, rows, bytes };
}

async function readFile(
  request: ReadRequest,
  of: { right: RightInput; at: number; file: number; columns: readonly string[]; path: string },
): Promise<{ rows: number; bytes: number }> {
  const { right, file, columns } = of;
  const { blob, length, root, leaves } = right.body.files[
    file
  ] as (typeof right.body.files)[number];
  const source = new CheckedRanges(
    { root, length, leaves: await request.blobs.get(leaves) },
    (start, end) => request.blobs.range(blob, start, end),
    { crypto: request.crypto },
  );
  const keys = request.keys[of.at] as InputKeys;
  const { dataset, version } = right.input;
  const sink = await open(of.path, 'wx', 0o600);
  try {
    const { rows } = await decryptProjection({
      source,
      sink: fileSink(sink),
      keys: masterKeys(new Map([...keys].map(([id, key]) => [String(id), key]))),
      columns,
      aadPrefix: datasetAadPrefix({ genesis: request.genesis, dataset, version, file }),
      algorithms: ['AES_GCM_V1'],
    });
    return { rows, bytes: source.fetched };
  } finally {
    await sink.close();
  }
}
