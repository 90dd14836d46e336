// SPDX-License-Identifier: Apache-2.0
// For tests: asks another library, through a program of ours (interop/), what it says of evidence,
// and compares. Where the two part, the difference is listed with its reason: an unlisted one
// fails, and so does a listed one that is none.
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

const TIMEOUT_MS = 240_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** What a peer answers; further members are the program's own. */
export interface PeerAnswer {
  readonly outcome: 'verified' | 'refused' | 'crashed';
  readonly error?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly [member: string]: unknown;
}

/** The answers to `cases`, one a case, in order. */
export function askPeer(program: string, cases: readonly object[]): PeerAnswer[] {
  const run = spawnSync(program, {
    input: cases.map((c) => `${JSON.stringify(c)}\n`).join(''),
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  expect(run.stderr, 'the peer says nothing on standard error').toBe('');
  expect(run.status, 'the peer ends well').toBe(0);
  // Some libraries log to standard output.
  const answers = run.stdout.split('\n').filter((line) => line.startsWith('{'));
  expect(answers.length).toBe(cases.length);
  return answers.map((line) => JSON.parse(line) as PeerAnswer);
}

/** One way in which a peer and we part. */
export interface Difference {
  /** Ids of cases. Every case that one of these fits must differ in this way. */
  readonly every?: readonly RegExp[];
  /** Ids of cases of which at least one must differ in this way, and others may. */
  readonly some?: readonly RegExp[];
  readonly peer: RegExp;
  readonly ours: RegExp;
  readonly why: string;
}

/** A list of differences that remembers which of them were met. */
export class Differences {
  readonly #list: readonly Difference[];
  readonly #met = new Set<RegExp>();

  constructor(list: readonly Difference[]) {
    this.#list = list;
  }

  /**
   * True where the case is one of the listed, and parts as listed. What `ours` and `peer` look like
   * is the caller's.
   */
  explain(id: string, ours: string, peer: string): boolean {
    for (const { every = [], some = [], ...difference } of this.#list) {
      const parts = difference.ours.test(ours) && difference.peer.test(peer);
      const always = every.filter((pattern) => pattern.test(id));
      if (always.length > 0 && !parts) {
        const got = `ours '${ours}', theirs '${peer}'`;
        throw new Error(`${id} is listed as '${difference.why}', but is not: ${got}`);
      }
      const named = [...always, ...some.filter((pattern) => pattern.test(id))];
      if (named.length === 0 || !parts) continue;
      for (const pattern of named) this.#met.add(pattern);
      return true;
    }
    return false;
  }

  /** What is listed and was never met. */
  get unmet(): string[] {
    return this.#list.flatMap(({ every = [], some = [], why }) =>
      [...every, ...some].filter((p) => !this.#met.has(p)).map((p) => `${why}: ${p.source}`),
    );
  }
}
