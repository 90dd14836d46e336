// SPDX-License-Identifier: Apache-2.0
// AWS Nitro Enclaves. The Nitro Secure Module is a device that answers by ioctl, which Node cannot
// do without a native add-on. So the deployer names a helper that passes bytes through and knows
// nothing (docs/design/nitro-helper.md): over its stdin and stdout, or a unix socket,
//
//   u32 big endian length, then that many bytes: the CBOR request of the NSM API, as it goes into
//   the ioctl; the answer likewise, as it came out. One answer a request, in order.
//
//   request   { "Attestation": { "user_data": bytes, "nonce": null, "public_key": null } }
//   answer    { "Attestation": { "document": bytes } } or { "Error": "InvalidArgument" }
//
// Invariants: the helper is trusted for nothing. A document is handed on only if it says what was
// asked; whether it is true is for whoever verifies it. After a time-out or bytes out of form the
// helper is given up. Sizes are the driver's: requests 4 KiB, answers 12 KiB (linux/nsm.h).
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import {
  concat,
  decodeCborLenient,
  encodeCbor,
  equal,
  isCoded,
  systemRandom,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { REPORT_DATA_LENGTH, type Stated, statedBy } from '@cloister/evidence';
import { attesterError } from './errors.ts';
import type { Platform } from './hardware.ts';

const MAX_ANSWER_BYTES = 0x3000;
const TIMEOUT_MS = 10_000;
const STOP_MS = 2_000;

/** The helper: a program with its arguments, or the path of a unix socket that one listens on. */
export type NsmHelper =
  | { readonly command: string; readonly args?: readonly string[] }
  | { readonly socket: string };

export interface NitroOptions {
  readonly helper: NsmHelper;
  /** Milliseconds for one answer; 10 s when absent. */
  readonly timeoutMs?: number;
}

/**
 * The enclave that this process is in. The hypervisor measured its image when it was launched, so
 * loading a program changes nothing. Loading and quoting throw CodedError `nsm-unavailable`,
 * `nsm-timeout`, `nsm-refused`, `nsm-response-malformed`, `quote-mismatch`, and evidence's codes
 * for a document that does not parse.
 */
export function nitroPlatform(options: NitroOptions): Platform {
  return {
    make: 'nitro',
    load: async () => {
      const link = await openHelper(options.helper);
      const { timeoutMs = TIMEOUT_MS } = options;
      try {
        const first = await documentOver(link, systemRandom.bytes(64), timeoutMs);
        const { hardware, measurement } = first.stated;
        const quote = async (reportData: Uint8Array) => {
          const { document, stated } = await documentOver(link, reportData, timeoutMs);
          const same = equal(stated.measurement, measurement);
          if (same && equal(stated.hardware, hardware)) return document;
          throw mismatch('of another enclave than before');
        };
        const about = { tee: 'nitro', reportDataLength: 64, hardware, measurement } as const;
        return { ...about, quote, close: link.close };
      } catch (error) {
        await link.close();
        throw error;
      }
    },
  };
}

async function documentOver(
  link: HelperLink,
  reportData: Uint8Array,
  timeoutMs: number,
): Promise<{ document: Uint8Array; stated: Stated }> {
  if (reportData.length !== REPORT_DATA_LENGTH.nitro) {
    const message = `got ${reportData.length} bytes of report data, wanted 64`;
    throw attesterError('quote-refused', message);
  }
  const asked = { Attestation: { user_data: reportData, nonce: null, public_key: null } };
  const document = documentIn(await link.ask(encodeCbor(asked), timeoutMs));
  const stated = statedBy({ kind: 'nitro', bytes: document }, nodeCrypto);
  if (!equal(stated.reportData, reportData)) throw mismatch('over other data than was asked for');
  return { document, stated };
}

function mismatch(how: string) {
  const message = `the security module answered a document ${how}`;
  return attesterError('quote-mismatch', message);
}

function documentIn(answer: Uint8Array): Uint8Array {
  let value: unknown;
  try {
    value = decodeCborLenient(answer, { indefinite: true });
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw malformed('is no CBOR', cause);
  }
  const { Attestation: attestation, Error: error } = (value ?? {}) as Record<string, unknown>;
  if (typeof error === 'string') {
    const message = `the security module refuses to attest: ${error.slice(0, 40)}`;
    throw attesterError('nsm-refused', message);
  }
  const { document } = (attestation ?? {}) as Record<string, unknown>;
  if (document instanceof Uint8Array) return document;
  throw malformed('is neither a document nor an error');
}

function malformed(how: string, cause?: unknown) {
  const message = `the answer of the Nitro helper ${how}`;
  return attesterError('nsm-response-malformed', message, { cause });
}

/** A helper that runs. */
interface HelperLink {
  /** One request, after those before it. */
  ask(request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

async function openHelper(helper: NsmHelper): Promise<HelperLink> {
  if ('socket' in helper) {
    const socket = connect(helper.socket);
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error) => reject(unavailable(`${helper.socket} does not answer`, cause));
      socket.once('connect', resolve).once('error', fail);
    });
    return helperLink(socket, async () => undefined);
  }
  const { PATH = '/usr/bin:/bin' } = process.env;
  const child = spawn(helper.command, helper.args ?? [], {
    env: { PATH },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async () => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.kill('SIGTERM');
    await exited;
    clearTimeout(timer);
  };
  return helperLink(Duplex.from({ readable: child.stdout, writable: child.stdin }), stop);
}

function helperLink(stream: Duplex, stop: () => Promise<void>): HelperLink {
  let received: Uint8Array = new Uint8Array(0);
  let waiting: { resolve(answer: Uint8Array): void; reject(error: Error): void } | undefined;
  let ended: Error | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const end = (error: Error) => {
    if (ended !== undefined) return;
    ended = error;
    stream.destroy();
    waiting?.reject(error);
  };
  const lost = () => end(unavailable('it ended, or could not be started'));
  stream.on('end', lost).on('close', lost).on('error', lost);
  stream.on('data', (chunk: Uint8Array) => {
    received = concat(received, chunk);
    if (received.length < 4) return;
    const size = new DataView(received.buffer, received.byteOffset).getUint32(0);
    if (waiting === undefined || size > MAX_ANSWER_BYTES || received.length > 4 + size) {
      end(malformed(`has ${size} bytes, wanted at most ${MAX_ANSWER_BYTES}, or was not asked for`));
      return;
    }
    if (received.length < 4 + size) return;
    const { resolve } = waiting;
    const answer = received.subarray(4);
    waiting = undefined;
    received = new Uint8Array(0);
    resolve(answer);
  });
  const exchange = async (request: Uint8Array, timeoutMs: number): Promise<Uint8Array> => {
    if (ended !== undefined) throw ended;
    const timer = setTimeout(() => {
      const message = `the Nitro helper did not answer within ${timeoutMs} ms`;
      end(attesterError('nsm-timeout', message));
    }, timeoutMs);
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, request.length);
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        waiting = { resolve, reject };
        stream.write(concat(head, request));
      });
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    ask: (request, timeoutMs) => {
      const turn = last.then(() => exchange(request, timeoutMs));
      last = turn.catch(() => undefined);
      return turn;
    },
    close: async () => {
      end(unavailable('it was closed'));
      await stop();
    },
  };
}

function unavailable(why: string, cause?: unknown) {
  const message = `the Nitro helper cannot be used: ${why}`;
  return attesterError('nsm-unavailable', message, { cause });
}
