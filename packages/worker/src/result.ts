// SPDX-License-Identifier: Apache-2.0
// The sealed result: the engine's plain Parquet, a file a statement, becomes Parquet in the dataset
// mode with a fresh master key a column and a footer key a file, padded, and each recipient gets
// the keys of its own columns by HPKE. The sealed result is held in memory (a file takes about
// three times its size while it is made), which `limits.outputBytes` bounds: more than that is no
// result, the run has failed.

import { open } from 'node:fs/promises';
import {
  contractError,
  encodeKeyBundle,
  encodeResultKeys,
  encodeResultParts,
  memberById,
  paddedLength,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { concat } from '@cloister/core';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  encryptParquet,
  fileSource,
  numberedKeys,
} from '@cloister/parquet-crypto';
import { hpkeSeal } from '@cloister/threshold/node';

import type { ResultRequest, SealedResult } from './data-plane.ts';
import { workerError } from './errors.ts';

const NO_AAD = new Uint8Array(0);
const FOOTER = 0;
/** A result is held in memory whole, so its files are of one part each. */
const ONLY_PART = 0;

/** One statement's file and its keys by column id, 0 the footer's. */
interface SealedFile {
  readonly statement: number;
  readonly bytes: Uint8Array;
  readonly keys: ReadonlyMap<number, Uint8Array>;
}

/**
 * Encrypts, proves it, pads, and seals the keys to the recipients.
 * @throws CodedError `outputs-differ`, `recipient-unknown`, `run-failed`
 */
export async function sealResult(request: ResultRequest): Promise<SealedResult> {
  const { files, parameters, random } = request;
  const recipients = recipientKeys(request);
  const keys = files.map((_, statement) => {
    const own = parameters.outputs.filter((output) => output.statement === statement);
    return new Map([FOOTER, ...own.map(({ id }) => id)].map((id) => [id, random.bytes(32)]));
  });
  try {
    const sealed: SealedFile[] = [];
    for (const [statement, own] of keys.entries()) {
      const bytes = await encrypt(request, statement, own).catch(() => {
        // What could not be sealed may tell of the data in it.
        throw workerError('run-failed', 'the result could not be sealed');
      });
      sealed.push({ statement, bytes, keys: own });
    }
    const blobs = sealed.map(({ bytes }): Uint8Array => {
      return concat(bytes, random.bytes(paddedLength(bytes.length) - bytes.length));
    });
    const digestOf = (blob: Uint8Array) => request.crypto.digest('sha256', blob);
    const statements = blobs.map((blob) => [digestOf(blob)]);
    const bundle = sealBundle(request, recipients, sealed);
    const list = encodeResultParts({ statements, bundle: digestOf(bundle) });
    return { blobs: [...blobs, bundle, list], result: digestOf(list) };
  } finally {
    for (const own of keys) for (const key of own.values()) key.fill(0);
  }
}

/**
 * The HPKE key of every recipient in the charter; call it before the run, where failing is cheap.
 * @throws CodedError `outputs-differ`, `recipient-unknown`
 */
export function recipientKeys(
  about: Pick<ResultRequest, 'outputs' | 'parameters' | 'charter'>,
): ReadonlyMap<string, Uint8Array> {
  const { outputs, parameters, charter } = about;
  const named = new Set(parameters.outputs.map(({ id }) => id));
  const given = new Set(outputs.map(({ id }) => id));
  const names = new Set(
    parameters.outputs.map(({ statement, name }) => JSON.stringify([statement, name])),
  );
  const alike = named.size === given.size && outputs.every(({ id }) => named.has(id));
  if (!alike || named.size !== parameters.outputs.length || names.size !== named.size) {
    const message = "the task's outputs on the ledger are not those of its parameters";
    throw contractError('outputs-differ', message);
  }
  const keys = new Map<string, Uint8Array>();
  for (const member of outputs.flatMap((output) => output.recipients)) {
    const key = memberById(charter, member)?.hpke;
    if (key === undefined) {
      const message = `${member} is a recipient and no member of the charter: propose again`;
      throw workerError('recipient-unknown', message);
    }
    keys.set(member, key);
  }
  return keys;
}

async function encrypt(
  request: ResultRequest,
  statement: number,
  keys: ReadonlyMap<number, Uint8Array>,
): Promise<Uint8Array> {
  const { genesis, task, run } = request;
  const aadPrefix = resultAadPrefix({ genesis, task, run, statement, part: ONLY_PART });
  const keyOf = (id: number) => ({ id: String(id), masterKey: keys.get(id) as Uint8Array });
  const own = request.parameters.outputs.filter((output) => output.statement === statement);
  const file = await open(request.files[statement] as string, 'r');
  const sink = new BufferSink();
  try {
    await encryptParquet({
      source: await fileSource(file),
      sink,
      footerKey: keyOf(FOOTER),
      columnKeys: new Map(own.map((o) => [o.name, keyOf(o.id)])),
      aadPrefix,
    });
  } finally {
    await file.close();
  }
  const bytes = sink.bytes();
  await assertFullyEncrypted(bufferSource(bytes), numberedKeys(keys), { aadPrefix });
  return bytes;
}

function sealBundle(
  request: ResultRequest,
  recipients: ReadonlyMap<string, Uint8Array>,
  files: readonly SealedFile[],
): Uint8Array {
  const { genesis, task, run, outputs, parameters } = request;
  const sealed = new Map<string, Uint8Array>();
  for (const [member, publicKey] of recipients) {
    const mine = new Set(outputs.filter((o) => o.recipients.includes(member)).map((o) => o.id));
    const given = files.flatMap(({ statement, bytes, keys }) => {
      const ids = [...keys.keys()].filter((id) => mine.has(id));
      if (ids.length === 0) return [];
      const columns = [FOOTER, ...ids].map((id) => ({
        id,
        name: parameters.outputs.find((output) => output.id === id)?.name ?? '',
        key: keys.get(id) as Uint8Array,
      }));
      return [{ statement, lengths: [bytes.length], columns }];
    });
    const plaintext = encodeResultKeys({ files: given });
    const info = resultKeysInfo({ genesis, task, run, member });
    sealed.set(member, hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext }));
    plaintext.fill(0);
  }
  return encodeKeyBundle(sealed);
}
