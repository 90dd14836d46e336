// SPDX-License-Identifier: Apache-2.0
// The file `entries.log`: every event, in order, and nothing that can be derived from them.
//
//   "cloister-log/v1" LF  origin LF           header
//   u32 length | 12 bytes check | event       record 0, integers big endian
//   u32 length | 12 bytes check | event       record 1 ...
//
// check = the first 12 bytes of SHA-256("cloister-log record" || u64 position || event): a record
// that is cut, changed or moved is noticed.
import { type CryptoPort, concat, equal, utf8 } from '@cloister/core';
import { ENTRY_SIZE_MAX } from '@cloister/tlog';
import { logStoreError } from './errors.ts';
import type { LogFile } from './log-fs.ts';

const MAGIC = 'cloister-log/v1';
const LENGTH_SIZE = 4;
const CHECK_SIZE = 12;
const CHECK_DOMAIN = utf8('cloister-log record');
const CHUNK_SIZE = 4 * 1024 * 1024;

/** Bytes of a record besides its event. */
export const RECORD_OVERHEAD = LENGTH_SIZE + CHECK_SIZE;

/** Largest event: what a C2SP entry bundle can hold. */
export const EVENT_SIZE_MAX = ENTRY_SIZE_MAX;

/** The header of a log. */
export function formatHeader(origin: string): Uint8Array<ArrayBuffer> {
  return utf8(`${MAGIC}\n${origin}\n`);
}

/**
 * Checks the header of an opened file.
 * @throws CodedError `ledger-format-unknown`, `ledger-origin-mismatch`
 */
export async function checkHeader(file: LogFile, origin: string): Promise<void> {
  const wanted = formatHeader(origin);
  const got = await file.read(Math.max(wanted.length, 512), 0);
  if (equal(got.subarray(0, wanted.length), wanted)) return;
  const [magic, other] = new TextDecoder().decode(got).split('\n', 2);
  if (magic !== MAGIC) {
    const message = `entries.log does not begin with ${MAGIC}: it is no ledger of this version`;
    throw logStoreError('ledger-format-unknown', message);
  }
  const message = `the ledger in this folder is ${(other ?? '').slice(0, 80)}, wanted ${origin}`;
  throw logStoreError('ledger-origin-mismatch', message);
}

/** The bytes of one record. */
export function formatRecord(
  crypto: CryptoPort,
  seq: number,
  event: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const length = new Uint8Array(LENGTH_SIZE);
  new DataView(length.buffer).setUint32(0, event.length);
  return concat(length, recordCheck(crypto, seq, event), event);
}

function recordCheck(crypto: CryptoPort, seq: number, event: Uint8Array): Uint8Array {
  const position = new Uint8Array(8);
  new DataView(position.buffer).setBigUint64(0, BigInt(seq));
  return crypto.digest('sha256', CHECK_DOMAIN, position, event).subarray(0, CHECK_SIZE);
}

/** The event of the record that `bytes` begin with; undefined if it is not whole and right. */
export function parseRecord(
  crypto: CryptoPort,
  seq: number,
  bytes: Uint8Array,
): Uint8Array | undefined {
  if (bytes.length < RECORD_OVERHEAD) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (length === 0 || length > EVENT_SIZE_MAX) return undefined;
  if (bytes.length < RECORD_OVERHEAD + length) return undefined;
  const event = bytes.subarray(RECORD_OVERHEAD, RECORD_OVERHEAD + length);
  const check = bytes.subarray(LENGTH_SIZE, RECORD_OVERHEAD);
  return equal(check, recordCheck(crypto, seq, event)) ? event : undefined;
}

/** What a scan found after the last whole record. */
export interface ScanEnd {
  /** Whole records. */
  readonly count: number;
  /** Where the next record belongs. */
  readonly end: number;
  /** Bytes of the file after that: 0, or a torn tail, or damage. */
  readonly rest: number;
}

/** Reads records from `start`, calling `each` in order; stops at the first that is not whole. */
export async function scanRecords(
  crypto: CryptoPort,
  file: LogFile,
  start: number,
  each: (event: Uint8Array, seq: number, offset: number) => void,
): Promise<ScanEnd> {
  const size = await file.size();
  let [count, end] = [0, start];
  while (end < size) {
    const chunk = await file.read(Math.min(CHUNK_SIZE, size - end), end);
    const before = end;
    let at = 0;
    for (;;) {
      const event = parseRecord(crypto, count, chunk.subarray(at));
      if (event === undefined) break;
      each(event, count, end);
      count += 1;
      at += RECORD_OVERHEAD + event.length;
      end = before + at;
    }
    if (end === before) break;
  }
  return { count, end, rest: size - end };
}
