// SPDX-License-Identifier: Apache-2.0
// Files that the organisation's people have sent and of which no dataset is made yet. Each lies
// under its random id in a folder of its own, readable by us only, and is inspected as soon as it
// is there: the sender asks for the outcome.
//
// Invariants: a file that was not received whole, or that is refused, is gone; what the sender
// called it becomes no path; few are received and inspected at once.
import { createWriteStream } from 'node:fs';
import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Dialect, Inspection, UploadStatus } from '@cloister/api';
import {
  type CodedError,
  fromHex,
  isSystemError,
  type Random,
  type Timers,
  toHex,
} from '@cloister/core';
import type { GatewayErrorCode } from '../errors.ts';
import { gatewayError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import {
  type Inspection as Inspected,
  inspectInput,
  REMARK_MEANS,
  saidOf,
} from '../ingest/index.ts';
import { settledWithin } from '../settled-within.ts';
import { parquetOf } from './convert-all.ts';
import { dialectOf, putDialect, readDialect } from './upload-dialect.ts';

export const MAX_UPLOAD_BYTES = 64 * 1024 * 1024 * 1024;
const AT_ONCE_MAX = 8;
/** Outcomes of inspections that are kept for who asks. */
const REMEMBERED_MAX = 256;
/** Columns of all of them together: what values allow is kept by column. */
const REMEMBERED_COLUMNS_MAX = 20_000;
/** Of a value that is shown. */
const SAMPLE_CHARACTERS = 60;
/** What may stay when nothing works on it: an upload, and how it is written. */
const UPLOAD = /^[0-9a-f]{32}(?:\.dialect)?$/;

interface Inspecting {
  rows: number;
  over: boolean;
  readonly outcome: Promise<Inspection>;
  /** What was found, for whoever asks more about it. */
  found?: Inspected;
}

export class Uploads {
  readonly #home: string;
  readonly #random: Random;
  readonly #timers: Timers;
  readonly #inspections = new Map<string, Inspecting>();
  #busy = 0;

  constructor(home: string, ports: { readonly random: Random; readonly timers: Timers }) {
    this.#home = home;
    this.#random = ports.random;
    this.#timers = ports.timers;
  }

  /**
   * Takes a file that the sender calls `name`, and what it says of how the file is written, and
   * begins to inspect it; of each column so many values are shown as `samples` says. Where its
   * size is said, that is judged before any of it is taken.
   * @throws CodedError `gateway-overloaded`, `upload-too-large`, `gateway-disk-full`
   */
  async receive(
    name: string,
    body: Readable,
    of: { dialect?: Dialect; samples?: number; size?: number } = {},
  ): Promise<UploadStatus> {
    const { dialect = {}, samples = 0, size = 0 } = of;
    refuseSize(size, await freeBytes(this.#home));
    if (this.#busy >= AT_ONCE_MAX) {
      const message = `${AT_ONCE_MAX} uploads are being received or inspected: send it later`;
      throw gatewayError('gateway-overloaded', message);
    }
    this.#busy += 1;
    try {
      const upload = toHex(this.#random.bytes(16));
      const path = await this.path(upload);
      await putDialect(path, dialect);
      await receive(body, path);
      this.#inspect(upload, { name, path, samples });
      return { upload, rows: 0, inspection: null };
    } finally {
      this.#busy -= 1;
    }
  }

  /**
   * How far the inspection is, or its outcome, for which it waits up to `waitMs`.
   * @throws CodedError `upload-not-found`, and why the file is refused
   */
  async status(upload: string, waitMs: number): Promise<UploadStatus> {
    const found = this.#inspections.get(upload);
    if (found === undefined) throw notFound(upload);
    await settledWithin(this.#timers, found.outcome, waitMs);
    const { rows } = found;
    return { upload, rows, inspection: found.over ? await found.outcome : null };
  }

  /** What is in them; looked at again where that is forgotten. @throws as `status` */
  async inspected(uploads: readonly string[]): Promise<Inspected[]> {
    await this.mustHave(uploads);
    const all: Inspected[] = [];
    for (const upload of uploads) {
      await this.#inspections.get(upload)?.outcome;
      const path = await this.path(upload);
      const known = this.#inspections.get(upload)?.found;
      all.push(known ?? (await inspectInput(path, { dialect: await readDialect(path) })));
    }
    return all;
  }

  /** @throws CodedError `upload-not-found` */
  async mustHave(uploads: readonly string[]): Promise<void> {
    for (const upload of uploads) {
      const path = await this.path(upload);
      await stat(path).catch((error: unknown) => {
        throw isSystemError(error) ? notFound(upload) : error;
      });
    }
  }

  /** Where an upload lies, or would. */
  async path(upload: string): Promise<string> {
    return join(await homeFolder(this.#home, 'uploads'), toHex(fromHex(upload, 16)));
  }

  /** Removes uploads and what they were converted to. */
  async remove(uploads: readonly string[]): Promise<void> {
    for (const upload of uploads) {
      this.#inspections.delete(upload);
      const path = await this.path(upload);
      for (const one of [path, dialectOf(path), parquetOf(path)]) await rm(one, { force: true });
    }
  }

  /** When nothing works on uploads: removes what such work has left, and leaves the uploads. */
  async removeLeftovers(): Promise<void> {
    const folder = await homeFolder(this.#home, 'uploads');
    for (const name of await readdir(folder)) {
      if (!UPLOAD.test(name)) await rm(join(folder, name), { force: true, recursive: true });
    }
  }

  #inspect(upload: string, of: { name: string; path: string; samples: number }): void {
    const { name, path, samples } = of;
    const onRows = (rows: number) => {
      entry.rows = rows;
    };
    const inspect = async (): Promise<Inspection> => {
      try {
        const dialect = await readDialect(path);
        entry.found = await inspectInput(path, { name, dialect, samples, onRows });
        return shown(upload, entry.found);
      } catch (error) {
        await rm(path, { force: true });
        await rm(dialectOf(path), { force: true });
        throw error;
      } finally {
        this.#busy -= 1;
        entry.over = true;
      }
    };
    this.#busy += 1;
    const entry: Inspecting = { rows: 0, over: false, outcome: Promise.resolve().then(inspect) };
    // Whoever asks hears of it; nobody may ask.
    entry.outcome.catch(() => undefined);
    this.#inspections.set(upload, entry);
    this.#forget();
  }

  /** The oldest that are over. */
  #forget(): void {
    let columns = 0;
    for (const { found } of this.#inspections.values()) columns += found?.columns.length ?? 0;
    for (const [id, { over, found }] of this.#inspections) {
      const many = this.#inspections.size > REMEMBERED_MAX || columns > REMEMBERED_COLUMNS_MAX;
      if (!many) break;
      if (!over) continue;
      columns -= found?.columns.length ?? 0;
      this.#inspections.delete(id);
    }
  }
}

function shown(upload: string, seen: Inspected): Inspection {
  const { format, rows, reading, byteOrderMark = false } = seen;
  return {
    upload,
    format,
    rows,
    columns: seen.columns.map(({ name, type, nulls, samples }) => ({
      ...{ name, type, nulls },
      ...(samples === undefined ? {} : { samples: samples.map(cut) }),
    })),
    warnings: seen.remarks.map(({ kind, column, says, inexact }) => ({
      ...{ kind, column, says, inexact },
      means: REMARK_MEANS[kind],
    })),
    dialect: reading === undefined ? null : saidOf(reading, format),
    byteOrderMark,
  };
}

function cut(text: string): string {
  const characters = [...text.slice(0, 2 * SAMPLE_CHARACTERS)];
  if (characters.length <= SAMPLE_CHARACTERS) return text;
  return `${characters.slice(0, SAMPLE_CHARACTERS).join('')}…`;
}

function notFound(upload: string): CodedError<GatewayErrorCode> {
  const message = `there is no upload ${upload.slice(0, 32)} here: send the file again`;
  return gatewayError('upload-not-found', message);
}

/** Bytes that are free on the disk of a folder. */
async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @throws CodedError `upload-too-large`, `gateway-disk-full` */
export function refuseSize(size: number, free: number): void {
  if (size > MAX_UPLOAD_BYTES) {
    const message =
      `the file has ${size} bytes, and at most ${MAX_UPLOAD_BYTES} are taken: divide it, several ` +
      'files of the same columns are one dataset';
    throw gatewayError('upload-too-large', message, { details: { most: MAX_UPLOAD_BYTES } });
  }
  if (size <= free) return;
  const message =
    `the file has ${size} bytes, and the gateway's disk has ${free} free: free some ` +
    '(dataset remove), or send a smaller part';
  throw gatewayError('gateway-disk-full', message, { details: { free } });
}

/** Streams a body to a file that only we can read. @throws CodedError `upload-too-large` */
async function receive(body: Readable, path: string): Promise<void> {
  let size = 0;
  const bound = new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      size += piece.length;
      const message = `an upload is longer than ${MAX_UPLOAD_BYTES} bytes`;
      done(size > MAX_UPLOAD_BYTES ? gatewayError('upload-too-large', message) : null, piece);
    },
  });
  try {
    await pipeline(body, bound, createWriteStream(path, { mode: 0o600, flags: 'wx' }));
  } catch (error) {
    await rm(path, { force: true });
    await rm(dialectOf(path), { force: true });
    throw error;
  }
}
