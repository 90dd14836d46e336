// SPDX-License-Identifier: Apache-2.0
// A recipient opens its columns of a result: the key bundle sealed to this member gives the column
// keys, the usage record on the ledger gives the digests of the blobs, and what comes out is a file
// of exactly the columns whose keys were in the bundle.
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  decodeKeyBundle,
  decodeResultKeys,
  type ResultKeys,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { CodedError, fromHex, toHex } from '@cloister/core';
import { bufferSource, decryptProjection, fileSink, masterKeys } from '@cloister/parquet-crypto';
import { hpkeOpen } from '@cloister/threshold/node';
import { type Gateway, stateInForce } from '../context.ts';
import type { GatewayErrorCode } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { exportParquet } from './export.ts';

const NO_AAD = new Uint8Array(0);

export type ResultFormat = 'csv' | 'json' | 'parquet';

/** The result of `run` (hexadecimal id) in `format`. @throws CodedError `result-not-found`... */
export async function openResult(
  gateway: Gateway,
  run: string,
  format: ResultFormat,
): Promise<Uint8Array> {
  const { file, keys, task } = await fetchResult(gateway, run);
  const folder = await homeFolder(gateway.home, 'results');
  const plain = join(folder, `${run}-${toHex(gateway.random.bytes(6))}.parquet`);
  const sink = await open(plain, 'wx', 0o600);
  try {
    await decryptProjection({
      source: bufferSource(file.subarray(0, keys.length)),
      sink: fileSink(sink),
      keys: masterKeys(new Map(keys.columns.map(({ id, key }) => [String(id), key]))),
      columns: keys.columns.filter(({ id }) => id > 0).map(({ name }) => name),
      aadPrefix: resultAadPrefix(gateway.genesis, fromHex(task), fromHex(run)),
      algorithms: ['AES_GCM_V1'],
    });
    return format === 'parquet'
      ? new Uint8Array(await readFile(plain))
      : await exportParquet(plain, format);
  } finally {
    await sink.close();
    await rm(plain, { force: true });
  }
}

async function fetchResult(
  gateway: Gateway,
  runKey: string,
): Promise<{ file: Uint8Array; keys: ResultKeys; task: string }> {
  const run = stateInForce(gateway).runs.get(runKey);
  const [fileBlob, bundleBlob] = run?.usage?.body.result ?? [];
  if (
    run === undefined ||
    run.status !== 'released' ||
    fileBlob === undefined ||
    bundleBlob === undefined
  ) {
    const status = run?.status ?? 'not on the ledger';
    const message = `run ${runKey} has no released result: it is ${status}`;
    throw new CodedError<GatewayErrorCode>('result-not-found', 'not-found', message);
  }
  const bundle = decodeKeyBundle(await gateway.allBlobs.get(bundleBlob));
  const sealed = bundle.get(gateway.card.id);
  if (sealed === undefined) {
    const message = `${gateway.card.id} is no recipient of run ${runKey}`;
    throw new CodedError<GatewayErrorCode>('result-not-for-you', 'policy', message);
  }
  const about = { genesis: gateway.genesis, task: fromHex(run.task), run: fromHex(runKey) };
  const info = resultKeysInfo({ ...about, member: gateway.card.id });
  const keys = decodeResultKeys(
    hpkeOpen({ keyPair: gateway.keys.hpke, info, aad: NO_AAD, sealed }),
  );
  return { file: await gateway.allBlobs.get(fileBlob), keys, task: run.task };
}
