// SPDX-License-Identifier: Apache-2.0
// Confidential VMs (Intel TDX, AMD SEV-SNP) through the kernel's configfs-tsm. A report is a folder
// that one makes, writes 64 bytes into and reads evidence from (Linux 6.7 and later,
// Documentation/ABI/testing/configfs-tsm-report):
//
//   mkdir report/<name>     provider    "tdx_guest" or "sev_guest": which driver answers
//                           generation  counts the writes to this entry
//                           privlevel   VMPL to report at (SNP); a write
//                           inblob      the report data; a write
//                           outblob     the quote (TDX) or the report (SNP)
//                           auxblob     the certificate table (SNP), which may be empty
//   rmdir report/<name>
//
// Invariants: the entry is removed whatever happens. The counter must have moved by exactly our own
// writes once the evidence is read, otherwise somebody else wrote meanwhile (`tsm-raced`). Evidence
// over other report data than asked for is never handed on. Evidence is what @cloister/evidence
// parses: the quote, or the report followed by the table.
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { concat, equal, fromUtf8, isCoded, systemRandom, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type EvidenceKind, REPORT_DATA_LENGTH, type Stated, statedBy } from '@cloister/evidence';
import { attesterError } from './errors.ts';
import type { Hardware, Platform } from './hardware.ts';

export const TSM_REPORT_FOLDER = '/sys/kernel/config/tsm/report';
const MAX_BLOB_BYTES = 65_536;
const TIMEOUT_MS = 60_000;
/** Errors that may pass by themselves: the driver or the host's quoting service is busy. */
const PASSING: ReadonlySet<string> = new Set(['EBUSY', 'EAGAIN', 'EINTR', 'ETIMEDOUT']);
const PROVIDERS: Readonly<Record<string, 'tdx-dcap' | 'sev-snp'>> = {
  tdx_guest: 'tdx-dcap',
  sev_guest: 'sev-snp',
};

/** What of a file system configfs-tsm needs. Failures are Node's, with an errno `code`. */
export interface TsmFiles {
  mkdir(path: string): Promise<unknown>;
  rmdir(path: string): Promise<void>;
  /** The whole attribute. */
  read(path: string): Promise<Uint8Array>;
  /** The whole attribute, in one write. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

export interface TsmOptions {
  /** Default `TSM_REPORT_FOLDER`. */
  readonly folder?: string;
  readonly files?: TsmFiles;
  /** VMPL to report at (SNP, 0 to 3); the kernel's own default when absent. */
  readonly privlevel?: number;
  /** Milliseconds that the kernel has for one step; a minute when absent. */
  readonly timeoutMs?: number;
}

const kernel: TsmFiles = { mkdir, rmdir, read: readFile, write: writeFile };

/**
 * The confidential VM that this process is in. Its hardware measured the whole machine at launch,
 * so loading a program changes nothing: it asks once who and what this machine is.
 * Loading throws CodedError `tsm-unavailable`, `tsm-provider-unsupported`, `tsm-refused`,
 * `tsm-busy`, `tsm-response-malformed`,
 * `tsm-raced`, and evidence's codes for what does not parse; quoting `quote-mismatch` too.
 */
export function tsmPlatform(options: TsmOptions = {}): Platform {
  return {
    make: 'tsm',
    load: async () => {
      const first = await reportOver(options, systemRandom.bytes(REPORT_DATA_LENGTH['tdx-dcap']));
      const { tee, stated } = first;
      const quote = async (reportData: Uint8Array) => {
        const { evidence, stated: now } = await reportOver(options, reportData);
        const same = equal(now.measurement, stated.measurement);
        if (same && equal(now.hardware, stated.hardware)) return evidence;
        const message =
          'the machine is not the one that it was: it moved, or a register was extended';
        throw attesterError('quote-mismatch', message);
      };
      const { hardware, measurement } = stated;
      return { tee, reportDataLength: 64, hardware, measurement, quote } satisfies Hardware;
    },
  };
}

interface TsmReport {
  readonly tee: EvidenceKind;
  readonly evidence: Uint8Array;
  readonly stated: Stated;
}

/** One report in an entry of its own. */
async function reportOver(options: TsmOptions, reportData: Uint8Array): Promise<TsmReport> {
  if (reportData.length !== 64) {
    const message = `got ${reportData.length} bytes of report data, wanted 64`;
    throw attesterError('quote-refused', message);
  }
  const { folder = TSM_REPORT_FOLDER, files = kernel, timeoutMs = TIMEOUT_MS } = options;
  const entry = join(folder, `cloister-${toHex(systemRandom.bytes(8))}`);
  await step('mkdir', timeoutMs, files.mkdir(entry));
  try {
    const io = {
      read: async (name: string) => {
        const bytes = await step(`read ${name}`, timeoutMs, files.read(join(entry, name)));
        if (bytes.length <= MAX_BLOB_BYTES) return new Uint8Array(bytes);
        const message = `${name} has ${bytes.length} bytes, wanted at most ${MAX_BLOB_BYTES}`;
        throw attesterError('tsm-response-malformed', message);
      },
      write: (name: string, bytes: Uint8Array) =>
        step(`write ${name}`, timeoutMs, files.write(join(entry, name), bytes)),
    };
    return await readReport(io, reportData, options.privlevel);
  } finally {
    // The evidence is as good with an entry left behind, so a failure here is not the caller's.
    await files.rmdir(entry).catch(() => undefined);
  }
}

interface EntryIo {
  read(name: string): Promise<Uint8Array>;
  write(name: string, bytes: Uint8Array): Promise<void>;
}

async function readReport(
  io: EntryIo,
  reportData: Uint8Array,
  privlevel: number | undefined,
): Promise<TsmReport> {
  const tee = await providerOf(io);
  const before = await generationOf(io);
  let writes = 0;
  const write = async (name: string, bytes: Uint8Array) => {
    await io.write(name, bytes);
    writes += 1;
  };
  if (privlevel !== undefined) await write('privlevel', utf8(`${privlevel}\n`));
  await write('inblob', reportData);
  const report = await io.read('outblob');
  const table = tee === 'sev-snp' ? await io.read('auxblob') : new Uint8Array(0);
  const after = await generationOf(io);
  if (after !== before + writes) {
    const message = `the entry counts ${after - before} writes, ours were ${writes}: a race`;
    throw attesterError('tsm-raced', message);
  }
  const evidence = concat(report, table);
  const stated = statedBy({ kind: tee, bytes: evidence }, nodeCrypto);
  if (!equal(stated.reportData, reportData)) {
    const message = 'the kernel answered evidence over other report data than was written';
    throw attesterError('quote-mismatch', message);
  }
  return { tee, evidence, stated };
}

async function providerOf(io: EntryIo): Promise<'tdx-dcap' | 'sev-snp'> {
  const name = textOf(await io.read('provider'));
  const tee = Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name] : undefined;
  if (tee !== undefined) return tee;
  const wanted = Object.keys(PROVIDERS).join(' or ');
  const message = `the provider is '${name.slice(0, 40)}', wanted ${wanted}`;
  throw attesterError('tsm-provider-unsupported', message);
}

async function generationOf(io: EntryIo): Promise<number> {
  const text = textOf(await io.read('generation'));
  if (/^\d{1,10}$/.test(text)) return Number(text);
  const message = `generation is '${text.slice(0, 40)}', wanted a number`;
  throw attesterError('tsm-response-malformed', message);
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes).trim();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return '(not text)';
  }
}

/** One step with the kernel: bounded in time, its errno as a code of ours. */
async function step<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    const message = `configfs-tsm: ${what} took more than ${timeoutMs} ms`;
    timer = setTimeout(() => fail(attesterError('tsm-unavailable', message)), timeoutMs);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    if (isCoded(error)) throw error;
    throw refusal(what, error);
  } finally {
    clearTimeout(timer);
  }
}

function refusal(what: string, error: unknown) {
  const errno = (error as NodeJS.ErrnoException).code ?? 'unknown';
  const absent = what === 'mkdir' || errno === 'ENOTTY';
  if (absent) {
    const need = 'wanted Linux 6.7 or later, configfs, the tdx_guest or sev_guest driver, and root';
    const message = `configfs-tsm cannot be used (${what}: ${errno}); ${need}`;
    return attesterError('tsm-unavailable', message, { cause: error, details: { errno } });
  }
  const message = `the kernel refuses ${what} of configfs-tsm: ${errno}`;
  const code = PASSING.has(errno) ? 'tsm-busy' : 'tsm-refused';
  return attesterError(code, message, { cause: error, details: { errno } });
}
