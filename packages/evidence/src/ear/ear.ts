// SPDX-License-Identifier: Apache-2.0
// EAT Attestation Results (draft-ietf-rats-ear) as signed JWTs: an appraisal for whoever trusts the
// verifier and does not want to verify by itself. ES256 or EdDSA (RFC 7518, RFC 8037); the
// algorithm is fixed by the key, never by the token.
//
//   { "eat_profile": "tag:github.com,2023:veraison/ear", "iat": seconds,
//     "ear.verifier-id": { "developer", "build" },
//     "submods": { name: { "ear.status", "ear.trustworthiness-vector", "ear.appraisal-policy-id",
//                          "cloister.evidence": { kind, trust, measurement, ... } } } }
import {
  type CryptoPort,
  coded,
  concat,
  fromBase64Url,
  type Signer,
  toBase64Url,
  toHex,
  utf8,
} from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type Json, JsonView, parseJson } from '../json.ts';
import type { Appraisal, AppraisalStatus, Claims, Policy } from '../types.ts';

export const EAR_PROFILE = 'tag:github.com,2023:veraison/ear';
const MAX_TOKEN_CHARACTERS = 65_536;
const MS_PER_SECOND = 1000;
const STATUSES = ['none', 'affirming', 'warning', 'contraindicated'] as const;
/** Least value of a tier in the trustworthiness vector (AR4SI, section 2.3.2). */
const TIER: Readonly<Record<AppraisalStatus, number>> = {
  affirming: 2,
  warning: 32,
  contraindicated: 96,
};

/** Which checks speak for which claim of the trustworthiness vector. */
const VECTOR: Readonly<Record<string, readonly (keyof Policy)[]>> = {
  'instance-identity': ['kinds', 'trust', 'families', 'hardwareIds'],
  configuration: ['debug', 'migratable', 'registers', 'bindings'],
  executables: ['measurements', 'signers'],
  hardware: ['tcbStatus', 'advisories', 'minimumSvn', 'minimumNumber', 'weaknesses'],
  'sourced-data': ['reportData'],
};

export type EarStatus = (typeof STATUSES)[number];

export interface EarSubmodule {
  readonly status: EarStatus;
  /** By name; -128 to 127. */
  readonly vector: Readonly<Record<string, number>>;
  readonly policyId: string;
  /** All members as received, extensions among them. */
  readonly members: Readonly<Record<string, Json>>;
}

export interface Ear {
  /** Milliseconds. */
  readonly issuedAt: number;
  readonly developer: string;
  readonly build: string;
  readonly submodules: Readonly<Record<string, EarSubmodule>>;
}

export interface EarRequest {
  /** Name of the submodule: what was appraised. */
  readonly name: string;
  readonly claims: Claims;
  readonly appraisal: Appraisal;
  readonly policyId: string;
  readonly developer: string;
  readonly build: string;
  /** Milliseconds. */
  readonly at: number;
}

/** Signs with ES256: `sign` answers r || s, 64 bytes. */
export interface Es256Signer {
  readonly alg: 'ES256';
  readonly sign: (data: Uint8Array) => Promise<Uint8Array>;
}

/** Issues a token. `signer` is core's Ed25519 signer (EdDSA) or one for ES256. */
export async function issueEar(request: EarRequest, signer: Signer | Es256Signer): Promise<string> {
  const alg = 'alg' in signer ? signer.alg : 'EdDSA';
  const part = (value: unknown): string => toBase64Url(utf8(JSON.stringify(value)));
  const signed = `${part({ alg, typ: 'JWT' })}.${part(earClaims(request))}`;
  return `${signed}.${toBase64Url(await signer.sign(utf8(signed)))}`;
}

/** The claims set of an EAR. */
export function earClaims(request: EarRequest): Json {
  const { name, claims, appraisal, policyId, developer, build, at } = request;
  const submodule: { [key: string]: Json } = {
    'ear.status': appraisal.status,
    'ear.trustworthiness-vector': vectorOf(appraisal),
    'ear.appraisal-policy-id': policyId,
    'cloister.evidence': {
      kind: claims.kind,
      trust: claims.trust,
      family: claims.family,
      measurement: toHex(claims.measurement),
      'report-data': toHex(claims.reportData),
      'hardware-id': toHex(claims.hardwareId.value),
      'tcb-status': claims.tcb.status,
      advisories: [...claims.tcb.advisories],
      weaknesses: [...claims.weaknesses],
    },
    'cloister.checks': appraisal.checks
      .filter((check) => check.code !== undefined)
      .map((check) => ({ field: check.field, status: check.status, code: check.code ?? '' })),
  };
  return {
    eat_profile: EAR_PROFILE,
    iat: Math.floor(at / MS_PER_SECOND),
    'ear.verifier-id': { developer, build },
    submods: { [name]: submodule },
  };
}

function vectorOf(appraisal: Appraisal): { [key: string]: number } {
  const out: { [key: string]: number } = {};
  for (const [claim, fields] of Object.entries(VECTOR)) {
    const tiers = appraisal.checks
      .filter((check) => fields.includes(check.field))
      .map((check) => TIER[check.status]);
    out[claim] = Math.max(0, ...tiers);
  }
  return out;
}

/** The key that a token is verified under, which fixes the algorithm. */
export type EarKey =
  | { readonly alg: 'ES256'; readonly spki: Uint8Array }
  | { readonly alg: 'EdDSA'; readonly key: Uint8Array };

/** Verifies a token and its form. @throws CodedError `ear-malformed`, `ear-signature-invalid` */
export async function verifyEar(crypto: CryptoPort, token: string, key: EarKey): Promise<Ear> {
  const parts = token.length > MAX_TOKEN_CHARACTERS ? [] : token.split('.');
  if (parts.length !== 3)
    throw evidenceError('ear-malformed', 'an EAR is a compact JWS of three parts');
  const [header, payload, signature] = parts.map((part) =>
    coded(
      () => fromBase64Url(part),
      (cause) => evidenceError('ear-malformed', 'an EAR is not base64url', { cause }),
    ),
  ) as [Uint8Array, Uint8Array, Uint8Array];
  const head = new JsonView(parseJson(header, 'ear-malformed'), 'ear-malformed');
  if (head.get('alg').text() !== key.alg || head.has('crit')) {
    throw evidenceError('ear-signature-invalid', `an EAR not signed with ${key.alg}`);
  }
  const signed = concat(utf8(`${parts[0]}.`), utf8(parts[1] as string));
  const holds =
    key.alg === 'EdDSA'
      ? await crypto.verifyEd25519(key.key, signed, signature)
      : signature.length === 64 &&
        (await crypto.verify(
          await crypto.importKey('ecdsa-p256-sha256', key.spki),
          signed,
          signature,
        ));
  if (!holds) throw evidenceError('ear-signature-invalid', 'the signature of an EAR does not hold');
  return parseEarClaims(parseJson(payload, 'ear-malformed'));
}

/** Checks the form of a claims set (section 4 of the draft). @throws CodedError `ear-malformed` */
export function parseEarClaims(value: Json): Ear {
  const json = new JsonView(value, 'ear-malformed');
  if (json.get('eat_profile').text() !== EAR_PROFILE) {
    throw evidenceError('ear-malformed', 'an EAR of another profile');
  }
  const verifier = json.get('ear.verifier-id');
  const submods = json.get('submods');
  const names = submods.names(64);
  if (names.length === 0) throw evidenceError('ear-malformed', 'an EAR without submodules');
  return {
    issuedAt: json.get('iat').number(Number.MAX_SAFE_INTEGER) * MS_PER_SECOND,
    developer: verifier.get('developer').text(),
    build: verifier.get('build').text(),
    submodules: Object.fromEntries(names.map((name) => [name, parseSubmodule(submods.get(name))])),
  };
}

function parseSubmodule(view: JsonView): EarSubmodule {
  const status = view.get('ear.status').text(/^(none|affirming|warning|contraindicated)$/);
  if (view.has('ear.veraison.key-attestation')) {
    view
      .get('ear.veraison.key-attestation')
      .get('akpub')
      .text(/^[\w-]+$/);
  }
  const vector: Record<string, number> = {};
  if (view.has('ear.trustworthiness-vector')) {
    const claims = view.get('ear.trustworthiness-vector');
    for (const name of claims.names(16)) {
      const tier = claims.get(name).value;
      if (typeof tier !== 'number' || !Number.isInteger(tier) || tier < -128 || tier > 127) {
        throw evidenceError('ear-malformed', 'a trustworthiness claim is not from -128 to 127');
      }
      vector[name] = tier;
    }
  }
  return {
    status: status as EarStatus,
    vector,
    policyId: view.has('ear.appraisal-policy-id') ? view.get('ear.appraisal-policy-id').text() : '',
    members: view.value as { [key: string]: Json },
  };
}
