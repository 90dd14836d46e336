// SPDX-License-Identifier: Apache-2.0
// Ways to a TPM, one command at a time: the kernel's device (`/dev/tpmrm0`: one write is a command,
// one read its response) and a byte stream (swtpm's socket, or an inherited socket pair). A
// response is at most 4,096 bytes and says its own size in its header.
//
// Invariants: every command ends by a response, a time-out or the loss of the TPM. After a time-out
// or bytes that nobody asked for, responses could be taken for those of other commands, so the
// transport is closed for good.
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { concat, isSystemError } from '@cloister/core';
import { attesterError } from '../errors.ts';

/** TPM_PT_MAX_RESPONSE_SIZE of the TPMs that there are (PC Client Platform TPM Profile). */
export const MAX_RESPONSE_BYTES = 4_096;
const HEADER_BYTES = 10;

export interface TpmTransport {
  /**
   * Sends a command and answers its whole response, header included.
   * @throws CodedError `tpm-unavailable`, `tpm-timeout`, `tpm-response-malformed`
   */
  transmit(command: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a TPM by its address: a path (`/dev/tpmrm0`), `unix:<path>` or `tcp:<host>:<port>` (swtpm).
 * @throws CodedError `tpm-unavailable`, `tpm-address-malformed`
 */
export async function openTpm(address: string): Promise<TpmTransport> {
  const [, scheme, where = ''] = /^(unix|tcp):(.+)$/.exec(address) ?? [];
  try {
    if (scheme === 'unix') return streamTransport(await connected(connect(where)));
    if (scheme === 'tcp') {
      const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(where) ?? [];
      const fits = host !== '' && Number(port) <= 65_535;
      if (fits) return streamTransport(await connected(connect(Number(port), host)));
    }
    if (address.startsWith('/')) return deviceTransport(await open(address, 'r+'));
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const why = cause.code;
    const message = `the TPM at ${address} cannot be opened (${why}): is it there, may you use it?`;
    throw attesterError('tpm-unavailable', message, { cause });
  }
  const message = `got '${address}', wanted /dev/tpmrm0, unix:<path> or tcp:<host>:<port>`;
  throw attesterError('tpm-address-malformed', message);
}

function connected<T extends Duplex>(stream: T): Promise<T> {
  return new Promise((resolve, reject) => {
    stream.once('connect', () => resolve(stream)).once('error', reject);
  });
}

/** What of a file handle the device needs. */
export interface DeviceFile {
  write(bytes: Uint8Array): Promise<{ bytesWritten: number }>;
  read(into: Uint8Array, offset: number, length: number): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** The kernel's character device. */
export function deviceTransport(file: DeviceFile): TpmTransport {
  let lost = false;
  const close = async () => {
    if (lost) return;
    lost = true;
    await file.close().catch(() => undefined);
  };
  const exchange = async (command: Uint8Array): Promise<Uint8Array> => {
    try {
      const { bytesWritten } = await file.write(command);
      if (bytesWritten !== command.length) throw unavailable('a TPM command was written in part');
      const answer = new Uint8Array(MAX_RESPONSE_BYTES);
      const { bytesRead } = await file.read(answer, 0, answer.length);
      return answer.subarray(0, bytesRead);
    } catch (cause) {
      throw isSystemError(cause) ? unavailable('the TPM device failed', cause) : cause;
    }
  };
  return {
    close,
    async transmit(command, timeoutMs) {
      if (lost) throw unavailable('the TPM device is closed');
      try {
        return checkedResponse(await within(exchange(command), timeoutMs));
      } catch (error) {
        await Promise.race([close(), new Promise((done) => setTimeout(done, 100))]);
        throw error;
      }
    },
  };
}

/** A stream that carries commands and responses one after another, as swtpm's does. */
export function streamTransport(stream: Duplex): TpmTransport {
  let received: Uint8Array = new Uint8Array(0);
  let waiting: { resolve(answer: Uint8Array): void; reject(error: Error): void } | undefined;
  let ended: Error | undefined;
  const end = (error: Error) => {
    if (ended !== undefined) return;
    ended = error;
    stream.destroy();
    waiting?.reject(error);
    waiting = undefined;
  };
  const lost = () => end(unavailable('the TPM closed the connection'));
  stream.on('end', lost).on('close', lost).on('error', lost);
  stream.on('data', (chunk: Uint8Array) => {
    received = concat(received, chunk);
    const size = sizeOf(received);
    if (waiting === undefined || received.length > MAX_RESPONSE_BYTES || received.length > size) {
      end(malformed('more bytes came than one response has'));
      return;
    }
    if (received.length < size) return;
    const { resolve } = waiting;
    waiting = undefined;
    const answer = received;
    received = new Uint8Array(0);
    resolve(answer);
  });
  return {
    close: async () => end(unavailable('the connection to the TPM is closed')),
    async transmit(command, timeoutMs) {
      if (ended !== undefined) throw ended;
      if (waiting !== undefined) throw new Error('a TPM takes one command at a time');
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        waiting = { resolve, reject };
      });
      stream.write(command);
      try {
        return checkedResponse(await within(answer, timeoutMs));
      } catch (error) {
        end(error as Error);
        throw error;
      }
    },
  };
}

/** The size that a response states; more than can have come while its header is incomplete. */
function sizeOf(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES) return Number.POSITIVE_INFINITY;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(2);
}

function checkedResponse(answer: Uint8Array): Uint8Array {
  const stated = sizeOf(answer);
  if (answer.length >= HEADER_BYTES && stated === answer.length) return answer;
  throw malformed(`a response of ${answer.length} bytes says that it has ${stated}`);
}

async function within(answer: Promise<Uint8Array>, timeoutMs: number): Promise<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => {
      const message = `the TPM did not answer within ${timeoutMs} ms`;
      fail(attesterError('tpm-timeout', message));
    }, timeoutMs);
  });
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unavailable(message: string, cause?: unknown) {
  return attesterError('tpm-unavailable', message, { cause });
}

function malformed(how: string) {
  return attesterError('tpm-response-malformed', `the TPM answers out of form: ${how}`);
}
