// SPDX-License-Identifier: Apache-2.0
// Enrols a TPM: finds out by credential activation that an attestation key lives in the TPM that a
// certificate of a named authority is about, and reads the registers that it will be pinned with.
// Each step is a line of the checklist that people see. TPM 2.0 Library part 1, section 24.
//
//   1. the endorsement certificate chains to a root that the caller names;
//   2. the TPM has that certificate's key;
//   3. the attestation key is restricted, signing, born in its TPM and fixed to it;
//   4. the TPM opened a secret that was sealed to both keys.
//
// Whoever runs this believes it; others believe whoever ran it. That is why the key counts under
// its enroller in the vendor rule, and not under the TPM's maker (docs/design/tpm-seats.md).
import { type CryptoPort, equal, isCoded, toHex } from '@cloister/core';
import {
  parseTpmPublic,
  type Root,
  type RootFamily,
  rootFromKey,
  type Trust,
  tpmName,
} from '@cloister/evidence';
import { challengeActivation, checkAkAttributes, verifyEkChain } from '@cloister/evidence/tpm';
import { attesterError } from '../errors.ts';
import type { TpmClient, TpmObject } from './client.ts';
import { QUOTED_REGISTERS, type Registers } from './registers.ts';
import { akTemplate, EK_PROFILES, type EkProfile } from './templates.ts';

/** What of a TPM enrolment asks. */
export type EnrollableTpm = Pick<
  TpmClient,
  'activateCredential' | 'createPrimary' | 'ekCertificate' | 'flush' | 'registers'
>;

export interface EnrolOptions {
  readonly crypto: CryptoPort;
  /** The operator who enrols: the key counts under it, as `tpm2:<operator>`. */
  readonly operator: string;
  /** Roots of kind `tpm2` that endorsement certificates may chain to. */
  readonly roots: readonly Root[];
  /** Certificates (DER) between the endorsement certificate and its root. */
  readonly issuers: readonly Uint8Array[];
  readonly trust: Trust;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The kind of endorsement key; the first that the TPM has a certificate of when absent. */
  readonly profile?: EkProfile['name'];
}

export interface EnrolledTpm {
  /** The attestation key as a root that a charter can name. */
  readonly root: Root;
  /** The hardware identity that its evidence will show: SHA-256 of the key. */
  readonly hardware: Uint8Array;
  /** The registers as they are now, before any program was measured into them. */
  readonly registers: Registers;
  /** The checklist, as sentences for people. */
  readonly proved: readonly string[];
}

/**
 * Enrols the attestation key of a TPM.
 * @throws CodedError `tpm-no-certificate`, `tpm-key-mismatch`, `tpm-activation-failed`, the TPM
 *   client's codes, and evidence's `certificate-*`, `root-untrusted`, `evidence-field-invalid`
 */
export async function enrolTpm(tpm: EnrollableTpm, options: EnrolOptions): Promise<EnrolledTpm> {
  const { crypto, operator, at } = options;
  const { profile, certificate } = await findCertificate(tpm, options.profile);
  const context = { crypto, roots: options.roots, at };
  const verified = await verifyEkChain(context, [certificate, ...options.issuers]);
  return withKeys(tpm, profile, async ({ ek, ak }) => {
    const ekPublic = parseTpmPublic(ek.publicArea);
    if (!equal(ekPublic.spki, verified.spki)) {
      const message = `the TPM's ${profile.name} endorsement key is not its certificate's`;
      throw attesterError('tpm-key-mismatch', message);
    }
    const akPublic = parseTpmPublic(ak.publicArea);
    checkAkAttributes(akPublic);
    const challenge = challengeActivation(ekPublic, tpmName(crypto, akPublic));
    await answer(tpm, { ak, ek, auth: profile.auth }, challenge);
    const ekDigest = toHex(crypto.digest('sha256', certificate));
    const authority = verified.root.source;
    const root = rootFromKey(crypto, akPublic.spki, {
      family: `tpm2:${operator}` as RootFamily,
      kinds: ['tpm2'],
      trust: options.trust,
      source: `enrolled by ${operator}; endorsement certificate ${ekDigest} under ${authority}`,
    });
    return {
      root,
      hardware: crypto.digest('sha256', akPublic.spki),
      registers: await tpm.registers(QUOTED_REGISTERS),
      proved: [
        `the endorsement certificate ${ekDigest.slice(0, 16)}... chains to ${authority}`,
        `the TPM has the ${profile.name} key that this certificate is about`,
        'the attestation key is restricted to signing what its TPM made, and cannot leave it',
        'the TPM opened a secret sealed to both: the attestation key lives in that TPM',
      ],
    };
  });
}

async function findCertificate(tpm: EnrollableTpm, wanted: EkProfile['name'] | undefined) {
  const profiles = EK_PROFILES.filter((p) => wanted === undefined || p.name === wanted);
  for (const profile of profiles) {
    const certificate = await tpm.ekCertificate(profile);
    if (certificate !== undefined) return { profile, certificate };
  }
  const where = profiles.map((p) => `0x${p.certificate.toString(16)}`).join(', ');
  const message = `the TPM has no endorsement certificate at ${where}: nothing says whose it is`;
  throw attesterError('tpm-no-certificate', message);
}

/** Both keys, flushed whatever happens: a TPM without a resource manager has room for three. */
async function withKeys<T>(
  tpm: EnrollableTpm,
  profile: EkProfile,
  use: (keys: { ek: TpmObject; ak: TpmObject }) => Promise<T>,
): Promise<T> {
  const made: TpmObject[] = [];
  const make = async (template: Uint8Array): Promise<TpmObject> => {
    const key = await tpm.createPrimary(template);
    made.push(key);
    return key;
  };
  try {
    const ek = await make(profile.template);
    return await use({ ek, ak: await make(akTemplate()) });
  } finally {
    for (const { handle } of made) await tpm.flush(handle).catch(() => undefined);
  }
}

async function answer(
  tpm: EnrollableTpm,
  keys: Parameters<TpmClient['activateCredential']>[0],
  challenge: ReturnType<typeof challengeActivation>,
): Promise<void> {
  const failed = (cause?: unknown) => {
    const message = 'the TPM does not open a secret sealed to its endorsement and attestation keys';
    return attesterError('tpm-activation-failed', message, { cause });
  };
  let secret: Uint8Array;
  try {
    secret = await tpm.activateCredential(keys, challenge);
  } catch (error) {
    // A warning (locked out, out of memory) says nothing about the keys.
    throw isCoded(error, 'tpm-refused') ? failed(error) : error;
  }
  if (!equal(secret, challenge.secret)) throw failed();
}
