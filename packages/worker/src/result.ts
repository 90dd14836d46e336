// SPDX-License-Identifier: Apache-2.0
// The sealed result, made as its parts come: each part of plain Parquet becomes Parquet in the
// dataset mode, with a master key a column and a footer key a file that all parts of it share,
// padded. Sealed parts wait on disk until they are released; keys never do: each recipient gets
// those of its own columns by HPKE, in a bundle that is made when all parts are there.
//
// Invariants: nothing plain is written, nothing is held whole; a part's digest is that of what was
// written, not of what the disk says later, and what comes back from the disk is compared with it.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BLOB_MOST,
  contractError,
  encodeKeyBundle,
  encodeResultKeys,
  encodeResultParts,
  memberById,
  PARTS_MAX,
  paddedLength,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import type { ResultPart } from '@cloister/contract/policy';
import { equal, type Random } from '@cloister/core';
import {
  assertFullyEncrypted,
  type ByteSink,
  encryptParquet,
  fileSink,
  fileSource,
  numberedKeys,
} from '@cloister/parquet-crypto';
import { hpkeSeal } from '@cloister/threshold/node';

import type { ResultRequest, ResultSealer, SealedBlob, SealedResult } from './data-plane.ts';
import { workerError } from './errors.ts';

const NO_AAD = new Uint8Array(0);
const FOOTER = 0;
/** Padding is written in pieces of so many bytes. */
const PIECE_BYTES = 1024 * 1024;

type Keys = ReadonlyMap<number, Uint8Array>;

interface SealedPart extends SealedBlob {
  readonly digest: Uint8Array;
  /** Its length without the padding. */
  readonly unpadded: number;
}

/** One statement's file: its keys by column id, 0 the footer's, and the parts that are there. */
interface SealedFile {
  readonly keys: Keys;
  readonly parts: SealedPart[];
}

/**
 * Takes a result part by part; `close` it, whatever came of it.
 * @throws CodedError `outputs-differ`, `recipient-unknown`
 */
export function resultSealer(request: ResultRequest): ResultSealer {
  return new Sealer(request);
}

class Sealer implements ResultSealer {
  readonly #request: ResultRequest;
  readonly #recipients: ReadonlyMap<string, Uint8Array>;
  readonly #files: SealedFile[] = [];
  #count = 0;

  constructor(request: ResultRequest) {
    this.#request = request;
    this.#recipients = recipientKeys(request);
  }

  /** @throws CodedError `run-failed` */
  async take(part: ResultPart): Promise<void> {
    const file = this.#fileOf(part.statement);
    this.#count += 1;
    if (this.#count > PARTS_MAX) throw notSealed(`it has more than ${PARTS_MAX} parts`);
    const sealed = await seal(this.#request, part, file).catch(() => {
      // What could not be sealed may tell of the data in it.
      throw notSealed('see that the spool folder has room');
    });
    file.parts.push(sealed);
  }

  /** @throws CodedError `run-failed` */
  async finish(): Promise<SealedResult> {
    const { crypto, parameters } = this.#request;
    const wanted = (parameters.outputs.at(-1)?.statement ?? -1) + 1;
    if (this.#files.length !== wanted) throw notSealed('a statement of it has no part');
    const bundle = sealBundle(this.#request, this.#recipients, this.#files);
    const statements = this.#files.map(({ parts }) => parts.map(({ digest }) => digest));
    const list = encodeResultParts({ statements, bundle: crypto.digest('sha256', bundle) });
    const parts = this.#files.flatMap((file) => file.parts);
    const blobs = [...parts, inMemory(bundle), inMemory(list)];
    return { blobs, result: crypto.digest('sha256', list) };
  }

  close(): void {
    for (const { keys } of this.#files) for (const key of keys.values()) key.fill(0);
  }

  /** The file that a part is of: the one before's, or the next. */
  #fileOf(statement: number): SealedFile {
    const { parameters, random } = this.#request;
    const own = parameters.outputs.filter((output) => output.statement === statement);
    if (statement === this.#files.length && own.length > 0) {
      const ids = [FOOTER, ...own.map(({ id }) => id)];
      const keys = new Map(ids.map((id) => [id, random.bytes(32)]));
      this.#files.push({ keys, parts: [] });
    }
    const file = this.#files.at(-1);
    if (file !== undefined && statement === this.#files.length - 1) return file;
    throw notSealed('its parts are out of order');
  }
}

function notSealed(why: string) {
  return workerError('run-failed', `the result could not be sealed: ${why}`);
}

function inMemory(bytes: Uint8Array): SealedBlob {
  return { length: bytes.length, read: async () => bytes };
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

/** Encrypts one part into the spool, proves that it is, and pads it. */
async function seal(
  request: ResultRequest,
  { statement, file }: ResultPart,
  { keys, parts }: SealedFile,
): Promise<SealedPart> {
  const { genesis, task, run, random } = request;
  const aadPrefix = resultAadPrefix({ genesis, task, run, statement, part: parts.length });
  const keyOf = (id: number) => ({ id: String(id), masterKey: keys.get(id) as Uint8Array });
  const own = request.parameters.outputs.filter((output) => output.statement === statement);
  const path = join(request.spool, `result-${statement}-${parts.length}.sealed`);
  const handles: FileHandle[] = [];
  const opened = async (name: string, flags: string) => {
    const handle = await open(name, flags, 0o600);
    handles.push(handle);
    return handle;
  };
  try {
    const plain = await opened(file, 'r');
    const spooled = await opened(path, 'wx+');
    const sink = new CountedSink(fileSink(spooled));
    await encryptParquet({
      source: await fileSource(plain),
      sink,
      footerKey: keyOf(FOOTER),
      columnKeys: new Map(own.map((o) => [o.name, keyOf(o.id)])),
      aadPrefix,
    });
    const { length } = sink;
    await assertFullyEncrypted(await fileSource(spooled), numberedKeys(keys), { aadPrefix });
    await pad(sink, random);
    const digest = sink.digest();
    return {
      length: sink.length,
      unpadded: length,
      digest,
      read: () => spooledBytes(path, digest),
    };
  } finally {
    for (const handle of handles) await handle.close();
  }
}

async function pad(sink: CountedSink, random: Random): Promise<void> {
  const padded = paddedLength(sink.length);
  if (padded > BLOB_MOST.whole) throw notSealed('a part of it is larger than a blob may be');
  while (sink.length < padded) {
    await sink.write([random.bytes(Math.min(PIECE_BYTES, padded - sink.length))]);
  }
}

/** The disk is the host's: what comes back may be anything. @throws CodedError `run-failed` */
async function spooledBytes(path: string, digest: Uint8Array): Promise<Uint8Array> {
  const bytes = await readFile(path).catch(() => undefined);
  const same = bytes !== undefined && equal(createHash('sha256').update(bytes).digest(), digest);
  if (same) return bytes;
  throw workerError('run-failed', 'a sealed part of the result is not in the spool as it was');
}

/** Counts and hashes what goes through it. */
class CountedSink implements ByteSink {
  readonly #sink: ByteSink;
  readonly #hash = createHash('sha256');
  length = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  async write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#hash.update(part);
      this.length += part.length;
    }
    await this.#sink.write(parts);
  }

  /** Of all that was written; nothing is after it. */
  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
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
    const given = files.flatMap(({ keys, parts }, statement) => {
      const ids = [...keys.keys()].filter((id) => mine.has(id));
      if (ids.length === 0) return [];
      const columns = [FOOTER, ...ids].map((id) => ({
        id,
        name: parameters.outputs.find((output) => output.id === id)?.name ?? '',
        key: keys.get(id) as Uint8Array,
      }));
      return [{ statement, lengths: parts.map((part) => part.unpadded), columns }];
    });
    const plaintext = encodeResultKeys({ files: given });
    const info = resultKeysInfo({ genesis, task, run, member });
    sealed.set(member, hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext }));
    plaintext.fill(0);
  }
  return encodeKeyBundle(sealed);
}
