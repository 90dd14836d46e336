// SPDX-License-Identifier: Apache-2.0
// What a process said on its stderr, so that its end can be explained: the first and the last
// kibibyte, because Node says what happened first and a shell says it last. What lies between, and
// everything after `forget`, is read (the process must not wait) and dropped.
import type { Readable } from 'node:stream';

const HALF_CHARS = 1024;
const SENTENCE_CHARS = 300;
/** What the line that explains an end begins with, or at least has in it. */
const TELLING = [
  /^(\w*Error|FATAL ERROR|# Fatal process|\{"error")\b/,
  /error|fatal|cannot|not found|no such|denied/i,
];

/** Listens to one stream. */
export class LastWords {
  #head = '';
  #tail = '';
  #forgotten = false;
  readonly #closed: Promise<void>;

  constructor(stream: Readable | null) {
    this.#closed = new Promise((resolve) => {
      if (stream === null) resolve();
      else stream.once('close', resolve);
    });
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => this.#hear(text));
    stream?.on('error', () => undefined);
  }

  /** Resolves when all was heard; an ended process may leave some of it in the pipe. */
  async ended(atMostMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, atMostMs);
    });
    await Promise.race([this.#closed, enough]);
    clearTimeout(timer);
  }

  /** All that was kept, at most 2 kB. */
  get text(): string {
    return this.#tail === '' ? this.#head : `${this.#head}\n...\n${this.#tail}`;
  }

  /** The line that tells most; undefined where nothing was said. */
  get sentence(): string | undefined {
    return tellingLine(this.text);
  }

  /** Drops what was said, and whatever is still to come. */
  forget(): void {
    this.#forgotten = true;
    this.#head = '';
    this.#tail = '';
  }

  #hear(text: string): void {
    if (this.#forgotten) return;

    const room = HALF_CHARS - this.#head.length;
    this.#head += text.slice(0, room);
    this.#tail = (this.#tail + text.slice(room)).slice(-HALF_CHARS);
  }
}

/** The first line that speaks of a failure, or else the last; undefined where there is none. */
export function tellingLine(text: string): string | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const said = lines.filter((line) => line !== '');
  const telling = TELLING.map((pattern) => said.find((line) => pattern.test(line)));
  const line = telling.find((found) => found !== undefined) ?? said.at(-1);
  return line?.slice(0, SENTENCE_CHARS);
}
