// SPDX-License-Identifier: Apache-2.0
// Checkpoints (C2SP tlog-checkpoint v1.0.0): the text that names a log, its size and its root.
//
//   cloister/3b1f...9c    origin: cloister/ and the genesis in hexadecimal
//   20852163              size, decimal, no leading zeroes
//   CsUYapGGPo4d...2I=    root, base64
//
// Extension lines are refused: every line is recomputed by everyone from the order of events, and
// an extension could not be.
import { fromBase64, isCoded, toBase64, toHex } from '@cloister/core';
import { tlogError } from './errors.ts';
import { HASH_SIZE, type TreeHead } from './hash.ts';

/** A tree head and the log it belongs to. */
export interface Checkpoint extends TreeHead {
  readonly origin: string;
}

/** The origin of the log of a charter: `cloister/` and its genesis, a 32-byte digest. */
export function logOrigin(genesis: Uint8Array): string {
  if (genesis.length !== HASH_SIZE) throw malformed(`has a genesis of ${genesis.length} bytes`);
  return `cloister/${toHex(genesis)}`;
}

/** The three lines of a checkpoint. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const body = `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
  parseCheckpoint(body);
  return body;
}

/** Parses exactly three lines. @throws CodedError `checkpoint-malformed` */
export function parseCheckpoint(body: string): Checkpoint {
  const lines = body.split('\n');
  if (lines.length !== 4 || lines[3] !== '') throw malformed('does not have exactly three lines');
  const [origin, sizeText, rootText] = lines as [string, string, string, string];
  if (origin === '' || origin.length > 255 || /\s/u.test(origin)) {
    throw malformed('has an origin that is empty, too long or has white space');
  }
  const size = Number(sizeText);
  if (!/^(0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size)) {
    throw malformed('has a size that is not a decimal number up to 2^53 - 1');
  }
  let root: Uint8Array;
  try {
    root = fromBase64(rootText);
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw malformed('has a root that is not base64');
  }
  if (root.length !== HASH_SIZE) throw malformed(`has a root of ${root.length} bytes, wanted 32`);
  return { origin, size, root };
}

function malformed(what: string): Error {
  return tlogError('checkpoint-malformed', `a checkpoint ${what}`);
}
