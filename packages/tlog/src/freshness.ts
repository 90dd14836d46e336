// SPDX-License-Identifier: Apache-2.0
// Freshness notes: witnesses sign their newest head together with challenges that the verifiers
// have just drawn (spec/ledger.md). Fresh is therefore what came after the challenge, by cause and
// not by clock.
//
//   cloister-freshness/v1          the statement
//   cloister/3b1f...9c             the checkpoint: origin (and so the genesis), size, root
//   4711
//   CsUYapGGPo4d...2I=
//   challenge AAEC...Hw==          32 bytes each, ascending, none twice, 1 to 256
//   challenge ICEi...Pw==
//
//   — witness.example ...          as cosignatures, under a type of their own
//
// The signed bytes are "freshness/v1" LF "time <seconds>" LF and the statement: no cosignature can
// pass as one and the reverse. All signers sign one text, so one size, one root and one list.
import {
  type CryptoPort,
  compare,
  concat,
  equal,
  fromBase64,
  isCoded,
  type Signer,
  toBase64,
  utf8,
} from '@cloister/core';
import { type Checkpoint, formatCheckpoint, logOrigin, parseCheckpoint } from './checkpoint.ts';
import { tlogError } from './errors.ts';
import { formatNote, linesOf, type NoteSignature, parseNote } from './note.ts';
import {
  keepTimed,
  signTimed,
  type TimedScheme,
  verifyTimed,
  type WitnessKey,
  type WitnessPolicy,
  type WitnessTime,
} from './witness-set.ts';

const HEADER = 'cloister-freshness/v1';
const CHALLENGE_SIZE = 32;

/** Most challenges in one note. */
export const CHALLENGES_MAX = 256;

/** Type byte 0xff and a longer name, as signed-note asks of types without an assigned byte. */
const FRESHNESS_V1: TimedScheme = {
  type: concat(Uint8Array.of(0xff), utf8('cloister freshness v1')),
  header: 'freshness/v1',
};

/** What a freshness note says. */
export interface FreshnessStatement {
  readonly checkpoint: Checkpoint;
  /** 32 bytes each, in any order; written in ascending order. */
  readonly challenges: readonly Uint8Array[];
}

/** A head that enough witnesses called their newest after they saw the challenge. */
export interface Freshness extends Checkpoint {
  readonly times: readonly WitnessTime[];
  readonly challenges: readonly Uint8Array[];
}

/** The text of a statement. @throws CodedError `freshness-malformed` */
export function formatFreshness(statement: FreshnessStatement): string {
  const challenges = [...statement.challenges].sort(compare);
  checkChallenges(challenges);
  const lines = challenges.map((challenge) => `challenge ${toBase64(challenge)}\n`);
  return `${HEADER}\n${formatCheckpoint(statement.checkpoint)}${lines.join('')}`;
}

/** Parses exactly what `formatFreshness` writes. @throws CodedError `freshness-malformed` */
export function parseFreshness(text: string): FreshnessStatement {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines[0] !== HEADER || lines.length < 5) {
    throw malformed(`does not begin with ${HEADER}, a checkpoint and a challenge`);
  }
  const checkpoint = parseCheckpoint(`${lines.slice(1, 4).join('\n')}\n`);
  const challenges = lines.slice(4).map((line) => {
    const match = /^challenge ([A-Za-z0-9+/]{43}=)$/.exec(line);
    if (match === null) throw malformed('has a line that is not a challenge of 32 bytes');
    try {
      return fromBase64(match[1] as string);
    } catch (error) {
      if (!isCoded(error)) throw error;
      throw malformed('has a challenge in other than canonical base64');
    }
  });
  checkChallenges(challenges);
  return { checkpoint, challenges };
}

/**
 * Signs a statement as a witness. Only a witness whose newest durable head is this checkpoint may
 * call this: `Witness` does.
 */
export async function signFreshness(
  crypto: CryptoPort,
  by: { readonly name: string; readonly signer: Signer; readonly timeSeconds: number },
  statement: FreshnessStatement,
): Promise<NoteSignature> {
  return signTimed(crypto, FRESHNESS_V1, by, formatFreshness(statement));
}

/** As `gatherCosignatures`, for freshness notes of one statement. */
export async function gatherFreshness(
  crypto: CryptoPort,
  notes: readonly string[],
  expect: { readonly statement: FreshnessStatement; readonly witnesses: readonly WitnessKey[] },
): Promise<{ note: string | undefined; times: readonly WitnessTime[] }> {
  const text = formatFreshness(expect.statement);
  const signatures = notes.flatMap((note) => linesOf(note, text));
  const kept = await keepTimed(crypto, FRESHNESS_V1, { text, signatures }, expect.witnesses);
  const note = kept.signatures.length === 0 ? undefined : formatNote(text, kept.signatures);
  return { note, times: kept.times };
}

/**
 * Checks a freshness note against the verifier's own challenge.
 * @throws CodedError `freshness-malformed`, `freshness-genesis-mismatch`,
 * `freshness-challenge-missing`, and the codes of `verifyCheckpoint` for notes and witnesses
 */
export async function verifyFreshness(
  crypto: CryptoPort,
  note: Uint8Array | string,
  expect: WitnessPolicy & {
    /** 32 bytes: the log's origin must be this charter's. */
    readonly genesis: Uint8Array;
    /** The 32 bytes that this verifier drew. */
    readonly challenge: Uint8Array;
  },
): Promise<Freshness> {
  const parsed = parseNote(note);
  const { checkpoint, challenges } = parseFreshness(parsed.text);
  if (checkpoint.origin !== logOrigin(expect.genesis)) {
    const message = `a freshness note of ${checkpoint.origin}, wanted ${logOrigin(expect.genesis)}`;
    throw tlogError('freshness-genesis-mismatch', message);
  }
  if (!challenges.some((challenge) => equal(challenge, expect.challenge))) {
    const message =
      'the challenge drawn here is not in the freshness note: it proves nothing fresh';
    throw tlogError('freshness-challenge-missing', message);
  }
  const times = await verifyTimed(crypto, FRESHNESS_V1, parsed, expect);
  return { ...checkpoint, times, challenges };
}

function checkChallenges(sorted: readonly Uint8Array[]): void {
  if (sorted.length < 1 || sorted.length > CHALLENGES_MAX) {
    throw malformed(`has ${sorted.length} challenges, wanted 1 to ${CHALLENGES_MAX}`);
  }
  sorted.forEach((challenge, i) => {
    if (challenge.length !== CHALLENGE_SIZE) throw malformed('has a challenge not of 32 bytes');
    if (i > 0 && compare(sorted[i - 1] as Uint8Array, challenge) >= 0) {
      throw malformed('has challenges that are not ascending, or one twice');
    }
  });
}

function malformed(what: string): Error {
  return tlogError('freshness-malformed', `a freshness note ${what}`);
}
