// SPDX-License-Identifier: Apache-2.0
// A recipient opens its columns of a result: the key bundle sealed to this member gives the column
// keys, the list that the usage record names gives the digests of the parts, and what comes out is
// one file of exactly the columns whose keys were in the bundle. Parts are opened one after another
// and what is made of them is streamed: no result has to fit into memory.
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { ResultFormat, ResultSchema } from '@cloister/api';
import {
  BLOB_MOST,
  decodeKeyBundle,
  decodeResultKeys,
  decodeResultParts,
  paddedLength,
  type ResultFileKeys,
  type ResultKeys,
  type ResultParts,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { type CodedError, fromHex, toHex } from '@cloister/core';
import {
  bufferSource,
  decryptProjection,
  fileSink,
  fileSource,
  numberedKeys,
  readSchema,
} from '@cloister/parquet-crypto';
import { hpkeOpen } from '@cloister/threshold/node';
import { type Gateway, historyOf } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import {
  type ConvertedFacts,
  resultSchemaOf,
  type StoredColumns,
  typesOf,
} from './result-schema.ts';
import { readableTask } from './views.ts';

const NO_AAD = new Uint8Array(0);

/**
 * Reads Parquet files that a worker made and converts them into one, in a process that holds
 * nothing of ours: who runs the worker's machine may have written them.
 */
export type ConvertResult = (request: {
  /** Parts of one schema, in the order of their rows. */
  readonly files: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type?: string | undefined }[];
  /** Absent where they are only looked at. */
  readonly to?: { readonly format: ResultFormat; readonly out: string };
}) => Promise<ConvertedFacts>;

interface As {
  readonly format: ResultFormat;
  readonly statement?: number | undefined;
  readonly convert: ConvertResult;
}

/** A statement of which this member may open columns, numbered from 1. */
export interface OpenableStatement {
  readonly statement: number;
  readonly columns: readonly string[];
}

/** What of the result of `run` this member may open. @throws CodedError `result-not-found`... */
export async function listResult(gateway: Gateway, run: string): Promise<OpenableStatement[]> {
  const { keys } = await findResult(gateway, run);
  return keys.files.map(({ statement, columns }) => ({
    statement: statement + 1,
    columns: columns.filter(({ id }) => id > 0).map(({ name }) => name),
  }));
}

/** A result in clear: what is read of it is read from a file that has no name any more. */
export interface OpenedResult {
  readonly schema: ResultSchema;
  readonly length: number;
  /** Its bytes, once; destroy it where they are not wanted. */
  readonly bytes: Readable;
}

/**
 * The result of `run` (hexadecimal id) as one file: of one statement, numbered from 1, or of the
 * only one that there is for this member. What a worker seals is Parquet, in parts; another format
 * is made of it here, so no worker learns which one a recipient wants.
 * @throws CodedError `result-not-found`, `result-many-statements`, `engine-columns-differ`...
 */
export async function openResult(gateway: Gateway, run: string, as: As): Promise<OpenedResult> {
  return await withPlain(gateway, run, as, async ({ files, folder, schemaOf, columns, stored }) => {
    const { format, convert } = as;
    const [first = '', ...more] = files;
    // Pages stay as they are where no part has to be joined to another.
    if (format === 'parquet' && more.length === 0) {
      return {
        schema: schemaOf(await convert({ files, columns }), stored),
        ...(await once(first)),
      };
    }
    const out = join(folder, 'out');
    const facts = await convert({ files, columns, to: { format, out } });
    const written = format === 'parquet' ? await columnsOf(out) : stored;
    return { schema: schemaOf(facts, written), ...(await once(out)) };
  });
}

/** What `openResult` would write. @throws CodedError as it does */
export async function describeResult(gateway: Gateway, run: string, as: As): Promise<ResultSchema> {
  return await withPlain(gateway, run, as, async ({ files, folder, schemaOf, columns, stored }) => {
    const { format, convert } = as;
    const anew = format === 'parquet' && files.length > 1;
    const out = join(folder, 'out');
    const facts = await convert({ files, columns, ...(anew ? { to: { format, out } } : {}) });
    return schemaOf(facts, anew ? await columnsOf(out) : stored);
  });
}

async function once(path: string): Promise<Pick<OpenedResult, 'length' | 'bytes'>> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return { length: size, bytes: file.createReadStream() };
}

async function columnsOf(path: string): Promise<StoredColumns> {
  const file = await open(path, 'r');
  try {
    return await readSchema(await fileSource(file));
  } finally {
    await file.close();
  }
}

/** A result's own files in clear, for as long as `use` takes. */
interface Plain {
  readonly files: readonly string[];
  /** Where they lie; it goes with all that is in it. */
  readonly folder: string;
  readonly columns: Parameters<ConvertResult>[0]['columns'];
  /** As the files have them, each the same. */
  readonly stored: StoredColumns;
  schemaOf(facts: ConvertedFacts, stored: StoredColumns): ResultSchema;
}

async function withPlain<T>(
  gateway: Gateway,
  run: string,
  { statement: asked, format }: As,
  use: (plain: Plain) => Promise<T>,
): Promise<T> {
  const { keys, task, parts } = await findResult(gateway, run);
  const file = chosen(keys, asked);
  const sealed = partsOf(file, parts.statements[file.statement], run);
  const results = await homeFolder(gateway.home, 'results');
  const folder = join(results, `${run}-${toHex(gateway.random.bytes(6))}`);
  await mkdir(folder, { mode: 0o700 });
  try {
    const files: string[] = [];
    let stored: StoredColumns = { columns: [] };
    for (const [part, blob] of sealed.entries()) {
      const path = join(folder, `part-${part}.parquet`);
      const had = await openPart(gateway, { run, task, file, part, blob, path });
      if (part > 0 && !isDeepStrictEqual(had, stored)) {
        const message = `part ${part + 1} of run ${run} has other columns than those before it`;
        throw gatewayError('result-parts-differ', message);
      }
      stored = had;
      files.push(path);
    }
    // None where the openings cannot be read here.
    const { contents } = await readableTask(gateway, task);
    const types = typesOf(contents?.parameters.outputs ?? [], file.statement);
    const columns = stored.columns.map(({ path }) => ({ name: path, type: types.get(path) }));
    const of = { task, run, statement: file.statement + 1, format };
    const schemaOf: Plain['schemaOf'] = (facts, as) => resultSchemaOf(of, facts, as);
    return await use({ files, folder, columns, stored, schemaOf });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Decrypts one part into its file; no more than one is in memory. */
async function openPart(
  gateway: Gateway,
  of: {
    run: string;
    task: string;
    file: ResultFileKeys;
    part: number;
    blob: { digest: Uint8Array; length: number };
    path: string;
  },
): Promise<StoredColumns> {
  const { genesis, allBlobs } = gateway;
  const { run, task, file, part, blob } = of;
  const { digest, length } = blob;
  const bytes = await allBlobs.get(digest, Math.min(paddedLength(length), BLOB_MOST.whole));
  const sink = await open(of.path, 'wx', 0o600);
  try {
    const about = { genesis, task: fromHex(task), run: fromHex(run), statement: file.statement };
    const { columns } = await decryptProjection({
      source: bufferSource(bytes.subarray(0, length)),
      sink: fileSink(sink),
      keys: numberedKeys(file.columns.map(({ id, key }) => [id, key])),
      columns: file.columns.filter(({ id }) => id > 0).map(({ name }) => name),
      aadPrefix: resultAadPrefix({ ...about, part }),
      algorithms: ['AES_GCM_V1'],
    });
    return { columns };
  } finally {
    await sink.close();
  }
}

/** The parts of a file, each with its length: as many as its keys are for. */
function partsOf(
  { lengths }: ResultFileKeys,
  parts: readonly Uint8Array[] = [],
  run: string,
): { digest: Uint8Array; length: number }[] {
  if (parts.length === lengths.length) {
    return parts.map((digest, at) => ({ digest, length: lengths[at] as number }));
  }
  throw notFound(`run ${run} has no file of its statement, or not the parts that its keys are for`);
}

function chosen({ files }: ResultKeys, statement: number | undefined): ResultFileKeys {
  const numbers = files.map((file) => file.statement + 1).join(', ');
  if (statement === undefined) {
    const [only, ...more] = files;
    if (only !== undefined && more.length === 0) return only;
    const message = `the result has ${files.length} statements: name one of ${numbers}`;
    throw gatewayError('result-many-statements', message);
  }
  const file = files.find((one) => one.statement === statement - 1);
  if (file !== undefined) return file;
  throw notFound(`statement ${statement} gives us nothing: there are ${numbers}`);
}

async function findResult(
  gateway: Gateway,
  runKey: string,
): Promise<{ parts: ResultParts; keys: ResultKeys; task: string }> {
  const run = historyOf(gateway).runs.get(runKey);
  if (run?.usage == null || run.status !== 'released') {
    const status = run?.status ?? 'not on the ledger';
    throw notFound(`run ${runKey} has no released result: it is ${status}`);
  }
  const { event, body } = run.usage;
  await checkAppraised(gateway, runKey, event);
  const parts = decodeResultParts(await gateway.allBlobs.get(body.result, BLOB_MOST.resultParts));
  const bundle = decodeKeyBundle(await gateway.allBlobs.get(parts.bundle, BLOB_MOST.keyBundle));
  const sealed = bundle.get(gateway.card.id);
  if (sealed === undefined) {
    const message = `${gateway.card.id} is no recipient of run ${runKey}`;
    throw gatewayError('result-not-for-you', message);
  }
  const about = { genesis: gateway.genesis, task: fromHex(run.task), run: fromHex(runKey) };
  const info = resultKeysInfo({ ...about, member: gateway.card.id });
  const keys = decodeResultKeys(
    hpkeOpen({ keyPair: gateway.keys.hpke, info, aad: NO_AAD, sealed }),
  );
  return { parts, keys, task: run.task };
}

/**
 * Nothing of a run is opened whose worker does not stand here, whatever keepers signed.
 * @throws CodedError `worker-not-accepted`, `worker-not-appraised`
 */
async function checkAppraised(gateway: Gateway, run: string, usage: string): Promise<void> {
  const verdict = await gateway.appraisals.settled(usage);
  if (verdict?.status === 'yes') return;
  if (verdict?.status === 'no') {
    const { code, wanted, got } = verdict;
    const message = `run ${run}: its worker does not stand (${code}): wanted ${wanted}, got ${got}`;
    throw gatewayError('worker-not-accepted', message, { details: { code, wanted, got } });
  }
  const why = verdict?.code ?? 'it does not concern this member';
  const message = `the worker of run ${run} has not been appraised here yet: ${why}`;
  throw gatewayError('worker-not-appraised', message, { details: { code: why } });
}

function notFound(message: string): CodedError {
  return gatewayError('result-not-found', message);
}
