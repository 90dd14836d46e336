// SPDX-License-Identifier: Apache-2.0
// Checks a TPM quote: the signature under the attestation key, and that the PCR values carried
// beside it are the ones quoted. What the key is worth is for the caller (verify.ts, azure-vtpm).
import { type CryptoPort, concat, equal } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type EventLog, parseEventLog, replayEventLog } from '../eventlog/parse.ts';
import { parsePublicKey } from '../x509/algorithms.ts';
import { type ChainContext, importedKey } from '../x509/chain.ts';
import { ALG, DIGEST_BYTES, HASH_NAMES } from './constants.ts';
import {
  encodePcrSelection,
  padLeft,
  parseAttest,
  parseTpmSignature,
  type TpmQuote,
  type TpmSignature,
} from './structures.ts';

/** PCR values by bank (TPM_ALG_ID) and index. */
export type PcrBanks = ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;

export interface TpmQuoteInput {
  /** TPMS_ATTEST. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  readonly pcrs: PcrBanks;
}

/** Verifies a quote under `spki`. @throws CodedError `signature-invalid`, `binding-invalid`, ... */
export async function verifyTpmQuote(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  input: TpmQuoteInput,
  spki: Uint8Array,
): Promise<TpmQuote> {
  const quote = parseAttest(input.attest);
  const signature = parseTpmSignature(input.signature);
  if (!(await signatureHolds(context, signature, input.attest, spki))) {
    throw evidenceError('signature-invalid', 'the quote is not signed by this attestation key');
  }
  const digest = context.crypto.digest(signature.hash, ...selectedValues(quote, input.pcrs));
  if (!equal(digest, quote.pcrDigest)) {
    throw evidenceError('binding-invalid', 'the PCR values are not the ones that were quoted');
  }
  return quote;
}

/** Values in quoting order. Those carried but not quoted are refused: nothing signs them. */
function selectedValues(quote: TpmQuote, pcrs: PcrBanks): Uint8Array[] {
  const values: Uint8Array[] = [];
  let carried = 0;
  for (const [, bank] of pcrs) carried += bank.size;
  for (const { bank, indexes } of quote.selections) {
    for (const index of indexes) {
      const value = pcrs.get(bank)?.get(index);
      if (value === undefined || value.length !== DIGEST_BYTES[bank]) {
        throw evidenceError('evidence-field-invalid', `PCR ${index} is quoted and not carried`);
      }
      values.push(value);
    }
  }
  if (carried !== values.length) {
    throw evidenceError('evidence-field-invalid', 'PCR values are carried that are not quoted');
  }
  return values;
}

async function signatureHolds(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  signature: TpmSignature,
  data: Uint8Array,
  spki: Uint8Array,
): Promise<boolean> {
  const key = parsePublicKey(spki);
  const { rsa, r, s, hash } = signature;
  if (rsa !== undefined && key.rsaModulus !== undefined) {
    if (rsa.length !== key.rsaModulus.length) return false;
    const padding = signature.algorithm === 'rsassa' ? 'pkcs1' : 'pss';
    const handle = await importedKey(context, `rsa-${padding}-${hash}`, spki);
    return context.crypto.verify(handle, data, rsa);
  }
  if (r === undefined || s === undefined || key.curve === undefined || key.curve === 'p521') {
    return false;
  }
  const size = key.curve === 'p256' ? 32 : 48;
  if (hash !== (key.curve === 'p256' ? 'sha256' : 'sha384')) return false;
  const scheme = key.curve === 'p256' ? 'ecdsa-p256-sha256' : 'ecdsa-p384-sha384';
  const raw = concat(padLeft(r, size), padLeft(s, size));
  return context.crypto.verify(await importedKey(context, scheme, spki), data, raw);
}

/**
 * The one value that a charter pins for a quote: SHA-256 of the selection as quoted and the PCR
 * digest, so that neither other registers nor other values give the same.
 */
export function tpmMeasurement(crypto: CryptoPort, quote: TpmQuote): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', concat(quote.selectionBytes, quote.pcrDigest));
}

/**
 * The measurement that a quote of these registers will have, computed from their values.
 * `bank` is a TPM_ALG_ID; the quote must hash with SHA-256.
 */
export function measurementOfPcrs(
  crypto: CryptoPort,
  bank: number,
  values: ReadonlyMap<number, Uint8Array>,
): Uint8Array<ArrayBuffer> {
  const indexes = [...values.keys()].sort((a, b) => a - b);
  const digest = crypto.digest('sha256', ...indexes.map((i) => values.get(i) as Uint8Array));
  return crypto.digest('sha256', encodePcrSelection(bank, indexes), digest);
}

/** Registers by name: `pcr7` in the SHA-256 bank, `sha384:pcr7` in others. */
export function pcrMeasurements(pcrs: PcrBanks): Record<string, Uint8Array> {
  const out: Record<string, Uint8Array> = {};
  for (const [bank, values] of pcrs) {
    const prefix = bank === ALG.sha256 ? '' : `${HASH_NAMES[bank] ?? 'sha1'}:`;
    for (const [index, value] of values) out[`${prefix}pcr${index}`] = value;
  }
  return out;
}

/**
 * Replays an event log against quoted PCRs in the strongest bank that both have.
 * @throws CodedError `event-log-mismatch`, `event-log-malformed`
 */
export function verifyTpmEventLog(crypto: CryptoPort, pcrs: PcrBanks, log: Uint8Array): EventLog {
  const parsed = parseEventLog(log);
  const bank = [ALG.sha512, ALG.sha384, ALG.sha256].find(
    (alg) => pcrs.has(alg) && parsed.algorithms.has(alg),
  );
  const hash = bank === undefined ? undefined : HASH_NAMES[bank];
  if (bank === undefined || hash === undefined) {
    throw evidenceError('event-log-mismatch', 'log and quote share no bank of SHA-256 or stronger');
  }
  for (const [index, value] of replayEventLog(crypto, parsed, hash)) {
    const quoted = pcrs.get(bank)?.get(index);
    if (quoted !== undefined && !equal(quoted, value)) {
      throw evidenceError('event-log-mismatch', `the event log does not give PCR ${index}`, {
        details: { index },
      });
    }
  }
  return parsed;
}
