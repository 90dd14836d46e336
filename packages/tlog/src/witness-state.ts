// SPDX-License-Identifier: Apache-2.0
// What a witness remembers, as text, and the port that keeps it. A state names its key and its log:
// under another key or for another log it is refused, because a witness that lost its memory must
// come back under a new key (design, "Witnesses").
//
//   cloister-witness/v1
//   9f3c...e0                    the witness key, hexadecimal
//   cloister/3b1f...9c           its newest durable head, as a checkpoint
//   4711
//   CsUYapGGPo4d...2I=
//   fork 4000 CsUY...2I= x0Qa...8k=   only after an alarm: size, own root, root shown
//   5e01...77                    SHA-256 of all lines above, hexadecimal
import {
  type CryptoPort,
  equal,
  fromBase64,
  fromHex,
  isCoded,
  toBase64,
  toHex,
  utf8,
} from '@cloister/core';
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { tlogError } from './errors.ts';
import { HASH_SIZE } from './hash.ts';

const HEADER = 'cloister-witness/v1';

/** Two roots for one size of one log. */
export interface ForkEvidence {
  readonly size: number;
  /** The root that this witness had made durable, or computed from the order it follows. */
  readonly own: Uint8Array;
  readonly other: Uint8Array;
  /**
   * `followed`: the ledger showed this witness both, and it never signs again. `cosigned`: another
   * witness signed the other root; the caller holds the note. That one may be lying, so this
   * witness keeps working.
   */
  readonly source: 'followed' | 'cosigned';
}

/** Everything a witness remembers. */
export interface WitnessState {
  readonly key: Uint8Array;
  readonly head: Checkpoint;
  /** Set once, for ever: the ledger showed two histories. */
  readonly fork?: ForkEvidence;
}

/** Where a witness keeps its state. */
export interface WitnessStore {
  /** The bytes saved last, or undefined when there never were any. */
  load(): Promise<Uint8Array | undefined>;
  /** Replaces them as one step. Resolving means that they survive any crash. */
  save(bytes: Uint8Array): Promise<void>;
}

/** The bytes of a state. */
export function formatWitnessState(crypto: CryptoPort, state: WitnessState): Uint8Array {
  const { key, head, fork } = state;
  const alarm =
    fork === undefined ? '' : `fork ${fork.size} ${toBase64(fork.own)} ${toBase64(fork.other)}\n`;
  const text = `${HEADER}\n${toHex(key)}\n${formatCheckpoint(head)}${alarm}`;
  return utf8(`${text}${toHex(crypto.digest('sha256', utf8(text)))}\n`);
}

/** @throws CodedError `witness-state-corrupt` on anything that `formatWitnessState` cannot write */
export function parseWitnessState(crypto: CryptoPort, bytes: Uint8Array): WitnessState {
  try {
    const state = parse(new TextDecoder().decode(bytes));
    if (!equal(formatWitnessState(crypto, state), bytes))
      throw corrupt('does not match its digest');
    return state;
  } catch (cause) {
    if (isCoded(cause, 'witness-state-corrupt')) throw cause;
    if (isCoded(cause)) throw corrupt(cause.message);
    throw cause;
  }
}

function parse(text: string): WitnessState {
  const lines = text.split('\n');
  const alarmed = lines.length === 8;
  if ((!alarmed && lines.length !== 7) || lines[0] !== HEADER) throw corrupt('has other lines');
  const [, key, origin, size, root] = lines as [string, string, string, string, string];
  const head = parseCheckpoint(`${origin}\n${size}\n${root}\n`);
  const state = { key: fromHex(key, 32), head };
  if (!alarmed) return state;
  const match = /^fork (\d{1,16}) (\S+) (\S+)$/.exec(lines[5] as string);
  if (match === null) throw corrupt('has a fork line of another form');
  const [, at, own, other] = match as unknown as [string, string, string, string];
  const roots = [fromBase64(own), fromBase64(other)] as const;
  if (roots.some((r) => r.length !== HASH_SIZE)) throw corrupt('has a root that is not a hash');
  const fork = { size: Number(at), own: roots[0], other: roots[1], source: 'followed' } as const;
  return { ...state, fork };
}

function corrupt(what: string): Error {
  const message = `the state of the witness ${what}: come back under a new witness key`;
  return tlogError('witness-state-corrupt', message);
}
