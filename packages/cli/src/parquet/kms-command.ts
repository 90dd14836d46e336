// SPDX-License-Identifier: Apache-2.0
// A key service as a program of the user's: master keys stay where it keeps them, and it wraps and
// unwraps the keys of files. It is started once for a command, without a shell and without
// arguments, and answers a line of JSON for each line of JSON:
//
//   {"op":"wrap","masterKeyId":"k1","key":"<base64>"}        {"wrapped":"<text>"}
//   {"op":"unwrap","masterKeyId":"k1","wrapped":"<text>"}    {"key":"<base64>"}
//                                                            {"error":"<text>"}, where it refuses
//
// Keys go over its stdin and stdout alone: never in arguments or in the environment, never in a
// message of ours. What it writes to stderr the user sees.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fromBase64, isCoded, toBase64 } from '@cloister/core';
import type { Kms } from '@cloister/parquet-crypto';
import { z } from 'zod';
import { cliError } from '../errors.ts';

const ANSWER_MS = 60_000;
const GRACE_MS = 2_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const KEY_LENGTHS = new Set([16, 24, 32]);

const wrapAnswer = z.object({ wrapped: z.string().min(1) });
const unwrapAnswer = z.object({ key: z.string().min(1) });
const refusal = z.object({ error: z.string() });

/** A key service behind a program; `close` ends it. */
export interface KmsProgram extends Kms {
  close(): Promise<void>;
}

/**
 * Starts the program at `path`; answers are waited for `answerMs` milliseconds each.
 * Its methods throw CodedError `kms-unreachable`, `kms-answer-malformed`, `kms-refused`.
 */
export function kmsProgram(path: string, answerMs: number = ANSWER_MS): KmsProgram {
  const talk = new Talk(path, answerMs);
  return {
    async wrap(masterKeyId, key) {
      const request = { op: 'wrap', masterKeyId, key: toBase64(key) };
      return (await talk.ask(request, wrapAnswer)).wrapped;
    },
    async unwrap(masterKeyId, wrapped) {
      const answer = await talk.ask({ op: 'unwrap', masterKeyId, wrapped }, unwrapAnswer);
      const key = bytesOf(answer.key);
      if (key !== undefined && KEY_LENGTHS.has(key.length)) return key;
      throw malformed(path, 'a key of 16, 24 or 32 bytes in base64');
    },
    close: () => talk.close(),
  };
}

/** One request at a time, one line each way. */
class Talk {
  readonly #path: string;
  readonly #answerMs: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #text = '';
  #over = false;
  #heard: ((line: string | undefined) => void) | undefined;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(path: string, answerMs: number) {
    this.#path = path;
    this.#answerMs = answerMs;
    this.#child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#over = true;
        this.#heard?.(undefined);
        resolve(how);
      };
      this.#child.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'unknown'));
      this.#child.once('close', (code, signal) => end(signal ?? `exit status ${code}`));
    });
    const answers = this.#child.stdout as Readable;
    answers.setEncoding('utf8');
    answers.on('data', (text: string) => this.#hear(text));
    (this.#child.stdin as Writable).on('error', () => undefined);
  }

  async ask<T>(request: Record<string, string>, shape: z.ZodType<T>): Promise<T> {
    const turn = this.#busy.then(() => this.#one(request));
    this.#busy = turn.catch(() => undefined);
    const answer = await turn;
    const parsed = shape.safeParse(answer);
    if (parsed.success) return parsed.data;
    if (refusal.safeParse(answer).success) {
      const id = JSON.stringify(request['masterKeyId']);
      const message = `${this.#path} refuses to ${request['op']} under master key ${id}`;
      throw cliError('kms-refused', message);
    }
    throw malformed(this.#path, request['op'] === 'wrap' ? '{"wrapped"}' : '{"key"}');
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => void this.#child.kill('SIGKILL'), GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  async #one(request: Record<string, string>): Promise<unknown> {
    if (this.#text !== '') throw malformed(this.#path, 'one line for each request');
    const line = await new Promise<string | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), this.#answerMs);
      this.#heard = (heard) => {
        clearTimeout(timer);
        this.#heard = undefined;
        resolve(heard);
      };
      if (this.#over) this.#heard(undefined);
      else this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
    if (line === undefined) throw await this.#gone();
    try {
      return JSON.parse(line);
    } catch {
      // Without the cause: its message quotes the line.
      throw malformed(this.#path, 'a line of JSON');
    }
  }

  #hear(text: string): void {
    this.#text += text;
    const end = this.#text.indexOf('\n');
    const whole = end >= 0 || this.#text.length > ANSWER_BYTES_MAX;
    if (!whole || this.#heard === undefined) return;
    const line = this.#text.slice(0, Math.max(end, 0));
    this.#text = this.#text.slice(end + 1);
    this.#heard(line);
  }

  async #gone(): Promise<Error> {
    this.#child.kill('SIGKILL');
    const how = await this.#ended;
    const message =
      `the key service ${this.#path} gave no answer within ${this.#answerMs / 1_000} s or ended ` +
      `(${how}): it is a program that reads a request a line and answers a line each`;
    return cliError('kms-unreachable', message);
  }
}

function malformed(path: string, wanted: string): Error {
  const message = `the key service ${path} answered something else than ${wanted}`;
  return cliError('kms-answer-malformed', message);
}

function bytesOf(text: string): Uint8Array | undefined {
  try {
    return fromBase64(text);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
}
