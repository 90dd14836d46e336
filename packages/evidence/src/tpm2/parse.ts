// SPDX-License-Identifier: Apache-2.0
// TPM 2.0 evidence to a frozen struct. TCG defines the parts and no envelope, so this is ours:
//
//   deterministic CBOR { "v": 1, "attest": TPMS_ATTEST, "sig": TPMT_SIGNATURE,
//                        "ak": SubjectPublicKeyInfo, "pcrs": [[bank, [[index, value]...]]...],
//                        "chain": [DER...], "log": bytes }
//
// `chain` (the AK certificate and its issuers) and `log` (a crypto-agile event log) may be empty.
// The report data is the quote's qualifying data, 32 bytes.
import { type Cbor, decodeCbor, encodeCbor } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { DIGEST_BYTES, MAX_EVIDENCE_BYTES, MAX_PCRS } from './constants.ts';
import type { PcrBanks, TpmQuoteInput } from './quote.ts';

export interface TpmEvidence extends TpmQuoteInput {
  /** SubjectPublicKeyInfo of the attestation key. */
  readonly ak: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly log: Uint8Array;
}

/** @throws CodedError `evidence-malformed`, `evidence-field-invalid` and core's CBOR codes */
export function parseTpmEvidence(bytes: Uint8Array): TpmEvidence {
  if (bytes.length > MAX_EVIDENCE_BYTES) {
    throw evidenceError('evidence-malformed', 'TPM evidence is larger than 8 MiB');
  }
  const value = decodeCbor(bytes) as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 7) {
    throw evidenceError(
      'evidence-malformed',
      'TPM evidence is { v, attest, sig, ak, pcrs, chain, log }',
    );
  }
  const { v, attest, sig, ak, pcrs, chain, log } = value;
  if (v !== 1 || !isBytes(attest) || !isBytes(sig) || !isBytes(ak) || !isBytes(log)) {
    throw evidenceError('evidence-field-invalid', 'TPM evidence with a field of another type');
  }
  if (!Array.isArray(chain) || chain.length > 6 || !chain.every(isBytes)) {
    throw evidenceError('evidence-field-invalid', 'TPM evidence with a bad chain');
  }
  return Object.freeze({ attest, signature: sig, ak, pcrs: parsePcrBanks(pcrs), chain, log });
}

/** The envelope's bytes: what `parseTpmEvidence` reads. */
export function encodeTpmEvidence(evidence: TpmEvidence): Uint8Array<ArrayBuffer> {
  const { attest, signature: sig, ak, pcrs, chain, log } = evidence;
  return encodeCbor({ v: 1, attest, sig, ak, pcrs: pcrBanksCbor(pcrs), chain: [...chain], log });
}

/** `[[bank, [[index, value]...]]...]`, as envelopes carry registers. */
export function pcrBanksCbor(pcrs: PcrBanks): Cbor {
  return [...pcrs].map(([bank, values]) => [bank, [...values].map(([i, value]) => [i, value])]);
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** `[[bank, [[index, value]...]]...]`, each ascending and without repeats. */
export function parsePcrBanks(value: unknown): PcrBanks {
  const bad = () =>
    evidenceError('evidence-field-invalid', 'PCR values are [[bank, [[index, value]]]]');
  if (!Array.isArray(value) || value.length === 0 || value.length > 4) throw bad();
  const out = new Map<number, Map<number, Uint8Array>>();
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || item.length !== 2) throw bad();
    const [bank, list] = item as [unknown, unknown];
    if (typeof bank !== 'number' || DIGEST_BYTES[bank] === undefined || out.has(bank)) throw bad();
    if (!Array.isArray(list) || list.length > MAX_PCRS) throw bad();
    const values = new Map<number, Uint8Array>();
    for (const pair of list as unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2) throw bad();
      const [index, pcr] = pair as [unknown, unknown];
      const fits =
        Number.isInteger(index) && (index as number) >= 0 && (index as number) < MAX_PCRS;
      if (!fits || !isBytes(pcr) || values.has(index as number)) throw bad();
      values.set(index as number, pcr);
    }
    out.set(bank, values);
  }
  return out;
}
