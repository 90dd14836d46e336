// SPDX-License-Identifier: Apache-2.0
// A recipient opens its columns of a result: the key bundle sealed to this member gives the column
// keys, the list that the usage record names gives the digests of the blobs, and what comes out is
// a file of exactly the columns whose keys were in the bundle.
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
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
import { bufferSource, decryptProjection, fileSink, numberedKeys } from '@cloister/parquet-crypto';
import { hpkeOpen } from '@cloister/threshold/node';
import { type Gateway, historyOf } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { type ConvertedFacts, resultSchemaOf, typesOf } from './result-schema.ts';
import { readableTask } from './views.ts';

const NO_AAD = new Uint8Array(0);

/**
 * Reads a Parquet file that a worker made and converts it, in a process that holds nothing of ours:
 * who runs the worker's machine may have written the file.
 */
export type ConvertResult = (request: {
  readonly file: string;
  readonly columns: readonly { readonly name: string; readonly type?: string | undefined }[];
  /** Absent where the file stays as it is. */
  readonly to?: { readonly format: Exclude<ResultFormat, 'parquet'>; readonly out: string };
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

/**
 * The result of `run` (hexadecimal id) as one file: of one statement, numbered from 1, or of the
 * only one that there is for this member. What a worker seals is Parquet; another format is made of
 * it here, so no worker learns which one a recipient wants.
 * @throws CodedError `result-not-found`, `result-many-statements`, `engine-columns-differ`...
 */
export async function openResult(
  gateway: Gateway,
  run: string,
  as: As,
): Promise<{ bytes: Uint8Array; schema: ResultSchema }> {
  return await withPlain(gateway, run, as, async ({ plain, schemaOf, columns }) => {
    if (as.format === 'parquet') {
      const schema = schemaOf(await as.convert({ file: plain, columns }));
      return { bytes: new Uint8Array(await readFile(plain)), schema };
    }
    const out = `${plain}.${as.format}`;
    try {
      const to = { format: as.format, out };
      const schema = schemaOf(await as.convert({ file: plain, columns, to }));
      return { bytes: new Uint8Array(await readFile(out)), schema };
    } finally {
      await rm(out, { force: true });
    }
  });
}

/** What `openResult` would write, without writing it. @throws CodedError as it does */
export async function describeResult(gateway: Gateway, run: string, as: As): Promise<ResultSchema> {
  return await withPlain(gateway, run, as, async ({ plain, schemaOf, columns }) =>
    schemaOf(await as.convert({ file: plain, columns })),
  );
}

/** A result's own file in clear, for as long as `use` takes. */
interface Plain {
  readonly plain: string;
  readonly columns: Parameters<ConvertResult>[0]['columns'];
  schemaOf(facts: ConvertedFacts): ResultSchema;
}

async function withPlain<T>(
  gateway: Gateway,
  run: string,
  { statement: asked, format }: As,
  use: (file: Plain) => Promise<T>,
): Promise<T> {
  const { keys, task, parts } = await findResult(gateway, run);
  const file = chosen(keys, asked);
  const { blob, length } = onlyPart(file, parts.statements[file.statement], run);
  const bytes = await gateway.allBlobs.get(blob, Math.min(paddedLength(length), BLOB_MOST.whole));
  const folder = await homeFolder(gateway.home, 'results');
  const plain = join(folder, `${run}-${toHex(gateway.random.bytes(6))}.parquet`);
  const sink = await open(plain, 'wx', 0o600);
  const about = { genesis: gateway.genesis, task: fromHex(task), run: fromHex(run) };
  try {
    const stored = await decryptProjection({
      source: bufferSource(bytes.subarray(0, length)),
      sink: fileSink(sink),
      keys: numberedKeys(file.columns.map(({ id, key }) => [id, key])),
      columns: file.columns.filter(({ id }) => id > 0).map(({ name }) => name),
      aadPrefix: resultAadPrefix({ ...about, statement: file.statement, part: 0 }),
      algorithms: ['AES_GCM_V1'],
    });
    // None where the openings cannot be read here.
    const { contents } = await readableTask(gateway, task);
    const types = typesOf(contents?.parameters.outputs ?? [], file.statement);
    const columns = stored.columns.map(({ path }) => ({ name: path, type: types.get(path) }));
    const of = { task, run, statement: file.statement + 1, format };
    return await use({ plain, columns, schemaOf: (facts) => resultSchemaOf(of, facts, stored) });
  } finally {
    await sink.close();
    await rm(plain, { force: true });
  }
}

/** A file's part and its length; this version opens files of one part. */
function onlyPart(
  { lengths }: ResultFileKeys,
  parts: readonly Uint8Array[] | undefined,
  run: string,
): { blob: Uint8Array; length: number } {
  const [blob, ...more] = parts ?? [];
  if (blob === undefined || lengths.length !== 1 + more.length) {
    throw notFound(
      `run ${run} has no file of its statement, or not the parts that its keys are for`,
    );
  }
  if (more.length === 0) return { blob, length: lengths[0] as number };
  const message = `a file of run ${run} has ${1 + more.length} parts: this gateway opens one`;
  throw gatewayError('result-in-parts', message);
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
