// SPDX-License-Identifier: Apache-2.0
// A complaint: an opened deal that anyone can judge, with no secret and no trust in either side.
// It carries the dealer's reveal, the sealed deal as it stands in the reveal's event, the
// complainer's receiving key, and (unless the deal is already wrong to the eye) D = that key times
// enc, with a proof that D is just that.
//
//   [ 1, reveal (bytes), sealed deal (bytes), receiving key (65),
//     null or [ D (65), proof (64) ] ]                          deterministic CBOR
//
// The verdict follows the order of checks in `judgeComplaint`. What a complaint discloses is one
// value of one polynomial at the complainer's seat, and the attempt ends with it.
import { type CoreErrorCode, concat, encodeCbor, equal, isCoded } from '@cloister/core';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { decodeAs, isBytes } from './check.ts';
import { verifyDeal } from './committee.ts';
import type { Curve } from './curve.ts';
import { type DealContext, dealLabel } from './deal.ts';
import { type ThresholdErrorCode, thresholdError } from './errors.ts';
import { digestBytes } from './hash.ts';
import { hpkeKeys } from './hpke-schedule.ts';
import { POINT_BYTES, parsePoint } from './point.ts';
import { type DleqStatement, PROOF_BYTES, verifyDleqBatch } from './proofs.ts';
import { commitHash, parseReveal, type Reveal } from './reveal.ts';
import { assertSealedKey, type SealedKey } from './sealed-key.ts';

const COMPLAINT_VERSION = 1;

export interface Complaint {
  /** The dealer's reveal as encoded. */
  readonly reveal: Uint8Array;
  /** The sealed deal as it stands in the reveal's event. */
  readonly sealed: Uint8Array;
  /** The key that the complainer published for this attempt, 65 bytes. */
  readonly recipientKey: Uint8Array;
  /** Absent where the deal cannot even be opened (its form or its pi is wrong). */
  readonly opened?: { readonly point: Uint8Array; readonly proof: Uint8Array };
}

export function encodeComplaint(c: Complaint): Uint8Array<ArrayBuffer> {
  const opened = c.opened === undefined ? null : [c.opened.point, c.opened.proof];
  return encodeCbor([COMPLAINT_VERSION, c.reveal, c.sealed, c.recipientKey, opened]);
}

/** @throws CodedError `complaint-malformed` */
export function parseComplaint(bytes: Uint8Array): Complaint {
  const value = decodeAs(bytes, 'complaint-malformed', 'a complaint');
  if (!Array.isArray(value) || value.length !== 5) throw malformed('form');
  const [version, reveal, sealed, recipientKey, opened] = value as unknown[];
  if (version !== COMPLAINT_VERSION) throw malformed('version');
  if (!(reveal instanceof Uint8Array)) throw malformed('reveal');
  if (!(sealed instanceof Uint8Array)) throw malformed('deal');
  if (!isBytes(recipientKey, POINT_BYTES)) throw malformed('receiving key');
  if (opened === null) return { reveal, sealed, recipientKey };
  if (!Array.isArray(opened) || opened.length !== 2) throw malformed('opening');
  const [point, proof] = opened as unknown[];
  if (!isBytes(point, POINT_BYTES) || !isBytes(proof, PROOF_BYTES)) throw malformed('opening');
  return { reveal, sealed, recipientKey, opened: { point, proof } };
}

/** What the proof in a complaint is about. */
export function complaintStatement(
  c: DealContext,
  enc: Uint8Array,
  point: Uint8Array,
): DleqStatement {
  return {
    domain: 'cloister/complaint-dleq/v1',
    context: [c.genesis, c.epoch, c.dealer, c.recipient],
    publicPoint: c.recipientKey,
    pairs: [{ base: enc, image: point }],
  };
}

/** Codes of what failed, or what a complaint itself lacks. */
type Reason =
  | ThresholdErrorCode
  | CoreErrorCode
  | 'deal-valid'
  | 'complaint-not-opened'
  | 'complaint-dleq-invalid';

/**
 * Who is at fault. The caller compares what only the ledger knows: `commit` with the dealer's
 * commit, `deal` with what stands in its reveal, `recipientKey` with what the complainer published.
 */
export interface Verdict {
  /** True: the dealer is at fault. False: the complaint does not show it. */
  readonly upheld: boolean;
  /** The first check that decided; `deal-valid` when the deal is right. */
  readonly reason: Reason;
  /** Hash of the carried reveal, as the dealer must have committed to it; absent for another's. */
  readonly commit?: Uint8Array;
  /** SHA-256 of the sealed deal. */
  readonly deal: Uint8Array;
  /** The receiving key that it was judged under. */
  readonly recipientKey: Uint8Array;
}

/**
 * Judges a complaint by seat `seat` against dealer `against`.
 * @throws CodedError `complaint-malformed` only; everything else is a verdict
 */
export async function judgeComplaint(args: {
  genesis: Uint8Array;
  epoch: Uint8Array;
  seat: number;
  against: number;
  complaint: Uint8Array;
  curve?: Curve;
}): Promise<Verdict> {
  const { genesis, epoch, seat, against } = args;
  const complaint = parseComplaint(args.complaint);
  const { recipientKey, sealed } = complaint;
  const facts = { deal: digestBytes(sealed), recipientKey };
  const not = (reason: Reason): Verdict => ({ upheld: false, reason, ...facts });
  let reveal: Reveal;
  try {
    parsePoint(recipientKey);
    reveal = parseReveal(complaint.reveal);
  } catch (error) {
    return not(codeOf(error));
  }
  if (!equal(reveal.genesis, genesis)) return not('reveal-other-charter');
  if (!equal(reveal.epoch, epoch)) return not('reveal-other-epoch');
  if (reveal.seat !== against) return not('reveal-other-seat');
  const commit = commitHash({ genesis, epoch, seat: against, reveal: complaint.reveal });
  const deal = { genesis, epoch, dealer: against, recipient: seat, recipientKey };
  const reason = await inspect(complaint, deal, reveal, args.curve);
  return { upheld: !COMPLAINERS_FAULT.has(reason), reason, commit, ...facts };
}

/** For what stands in the dealer's reveal, these alone do not fall on the dealer. */
const COMPLAINERS_FAULT: ReadonlySet<Reason> = new Set<Reason>([
  'deal-valid',
  'complaint-not-opened',
  'complaint-dleq-invalid',
]);

/** Whether the deal is right: the form, pi, the opening, the value. */
async function inspect(
  complaint: Complaint,
  deal: DealContext,
  reveal: Reveal,
  curve: Curve | undefined,
): Promise<Reason> {
  const label = dealLabel(deal);
  const on = curve === undefined ? {} : { curve };
  let sealed: SealedKey;
  try {
    sealed = assertSealedKey({ sealed: complaint.sealed, label, ...on });
  } catch (error) {
    return codeOf(error);
  }
  if (complaint.opened === undefined) return 'complaint-not-opened';
  const { point, proof } = complaint.opened;
  try {
    parsePoint(point);
    const statement = complaintStatement(deal, sealed.enc, point);
    if (!verifyDleqBatch(statement, proof, curve)) return 'complaint-dleq-invalid';
  } catch (error) {
    codeOf(error);
    return 'complaint-dleq-invalid';
  }
  const value = await openInPublic(sealed, deal.recipientKey, label, point.slice(1, 33));
  if (value === undefined) return 'hpke-open-failed';
  const right = verifyDeal({ reveal, seat: deal.recipient, deal: value, ...on });
  return right ? 'deal-valid' : 'deal-invalid';
}

/** HPKE from an outside dh, over WebCrypto: it runs wherever a complaint is judged. */
async function openInPublic(
  sealed: SealedKey,
  recipient: Uint8Array,
  info: Uint8Array,
  dh: Uint8Array,
): Promise<Uint8Array | undefined> {
  const mac = (key: Uint8Array, ...data: readonly Uint8Array[]) =>
    hmac(sha256, key, concat(...data));
  const { key, nonce } = hpkeKeys(mac, { dh, enc: sealed.enc, recipient, info });
  const { subtle } = globalThis.crypto;
  const aes = await subtle.importKey('raw', Uint8Array.from(key), 'AES-GCM', false, ['decrypt']);
  const iv = Uint8Array.from(nonce);
  try {
    const ct = Uint8Array.from(sealed.ct);
    return new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv }, aes, ct));
  } catch {
    return undefined;
  }
}

/** The code of a CodedError of this package or of core; anything else is our bug and passes on. */
/** Parsing and checking throw errors of these two tables. */
function codeOf(error: unknown): ThresholdErrorCode | CoreErrorCode {
  if (isCoded(error)) return error.code as ThresholdErrorCode | CoreErrorCode;
  throw error;
}

function malformed(field: string) {
  return thresholdError('complaint-malformed', `a complaint's ${field} has not its form`);
}
