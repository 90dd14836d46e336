// SPDX-License-Identifier: Apache-2.0
// The public vocabulary of evidence: what goes in (evidence, collateral, roots, the time to judge
// at), what is proved (claims), and how a rule book judges it (policy, appraisal).
//
// Invariants: nothing here has a default that accepts. Every byte field is a Uint8Array; every time
// is milliseconds since the Unix epoch; every hexadecimal string is lower case.
import type { CryptoPort } from '@cloister/core';
import type { EvidenceCache } from './cache.ts';
import type { AppraisalCode } from './errors.ts';

/** Every kind of evidence the project names; `SUPPORTED_KINDS` lists those with a verifier. */
export type EvidenceKind =
  | 'sgx-dcap'
  | 'sgx-epid'
  | 'tdx-dcap'
  | 'op-tee'
  | 'psa'
  | 'cca'
  | 'itrustee'
  | 'virtcca'
  | 'keystone'
  | 'sanctum'
  | 'sev-snp'
  | 'sev'
  | 'sev-es'
  | 'azure-snp-vtpm'
  | 'azure-tdx-vtpm'
  | 'tpm2'
  | 'nitro'
  | 'nvidia';

/** Evidence as it travels: which kind it claims to be, and its bytes (untrusted). */
export interface Evidence {
  readonly kind: EvidenceKind;
  readonly bytes: Uint8Array;
}

/**
 * What a verifier needs beside the evidence: TCB info, identities, CRLs, intermediate certificates.
 * `items` is keyed by the names in each kind's `collateral.ts`. `subject` (FMSPC in hexadecimal,
 * product name, ...) and `number` are derived from the items, never declared beside them, and
 * `number` is one that its issuer never lowers (Intel: tcbEvaluationDataNumber; AMD: the newest
 * CRL's number or, without one, its date in days).
 */
export interface Collateral {
  readonly kind: EvidenceKind;
  readonly subject: string;
  readonly number: number;
  readonly items: Readonly<Record<string, Uint8Array>>;
}

/** How far a root reaches: silicon, a published test key, or a development root of this project. */
export type Trust = 'hardware' | 'test-root' | 'simulated';

/**
 * Who answers for a root: counted by the vendor rule. `op-tee:<who enrolled it>` and the like for
 * keys that someone enrolled.
 */
export type RootFamily =
  | 'intel'
  | 'amd'
  | 'aws'
  | 'huawei'
  | 'arm'
  | 'nvidia'
  | 'microsoft'
  | `${'op-tee' | 'psa' | 'cca' | 'keystone' | 'sanctum' | 'tpm2'}:${string}`;

/** A key that the caller trusts for some kinds of evidence. */
export interface Root {
  readonly family: RootFamily;
  /** The kinds that this root may vouch for. */
  readonly kinds: readonly EvidenceKind[];
  /** SubjectPublicKeyInfo, DER. It anchors chains, whichever certificate carries it. */
  readonly key: Uint8Array;
  /** The root's own certificate (DER), where there is one. */
  readonly certificate?: Uint8Array;
  /** SHA-256, hexadecimal, of `certificate` where there is one and of `key` otherwise. */
  readonly fingerprint: string;
  readonly trust: Trust;
  /** Where it comes from, for people: a URL, a document, "enrolled by ...". */
  readonly source: string;
}

/** How the guest's own data is tied to the evidence. `launch`: fixed before the guest ran. */
export type Binding = 'report-data' | 'launch' | 'none';

/**
 * Intel's statuses (DCAP Quote Verification Library), after merging platform, TDX module and QE.
 * `Unrated`: the maker publishes no status for this kind; judge by `svn` alone.
 */
export type TcbStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'TDRelaunchAdvised'
  | 'TDRelaunchAdvisedConfigurationNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked'
  | 'Unrated';

export interface TcbClaims {
  readonly status: TcbStatus;
  /** Advisory ids that apply, sorted (INTEL-SA-00615, ...). */
  readonly advisories: readonly string[];
  /** Security version numbers by name (`isv`, `pce`, `snp`, `microcode`, ...). */
  readonly svn: Readonly<Record<string, number>>;
  /** `number` of the collateral that was used; 0 where the kind needs none. */
  readonly number: number;
  /** Milliseconds: the date of the TCB level that matched, where there is one. */
  readonly date?: number;
}

export type HardwareIdType =
  | 'ppid'
  | 'chip-id'
  | 'csp-id'
  | 'key-digest'
  | 'ek-digest'
  | 'module-id'
  | 'instance-id'
  | 'none';

export interface HardwareId {
  readonly type: HardwareIdType;
  readonly value: Uint8Array;
}

/** What evidence proved, normalised over all kinds. Nothing in it is unverified. */
export interface Claims {
  readonly kind: EvidenceKind;
  /** The one value that a charter pins; its length is `MEASUREMENT_LENGTH[kind]`. */
  readonly measurement: Uint8Array;
  /** Every register by name (`mrenclave`, `rtmr0`, `host-data`, `pcr7`, ...). */
  readonly measurements: Readonly<Record<string, Uint8Array>>;
  /** Who signed the workload (MRSIGNER, author or id key digest), where someone did. */
  readonly signers: readonly Uint8Array[];
  readonly reportData: Uint8Array;
  readonly binding: Binding;
  readonly debug: boolean;
  /** True where the guest may be moved or is shared (migration agent, service TD). */
  readonly migratable: boolean;
  readonly tcb: TcbClaims;
  readonly hardwareId: HardwareId;
  readonly family: RootFamily;
  /** Further makers who could lie: a paravisor's maker beside the chip's. */
  readonly alsoFamilies?: readonly RootFamily[];
  /** Fingerprint of the root that the chain ended in. */
  readonly root: string;
  readonly trust: Trust;
  readonly time: ClaimsTime;
  /** Known weaknesses of the kind or of this evidence, as stable ids (see the kind's constants). */
  readonly weaknesses: readonly string[];
  /** Facts particular to a kind, for people and for finer rules. Safe to print. */
  readonly extra: Readonly<Record<string, string | number | boolean>>;
  /** The checklist of what was verified, in order, as sentences for people. */
  readonly proved: readonly string[];
}

export interface ClaimsTime {
  /** The `at` that everything was judged at. */
  readonly judgedAt: number;
  /** The earliest end of validity among all certificates, CRLs and statements that were used. */
  readonly validUntil: number;
  /** The time that the evidence itself carries, where it carries one (Nitro). */
  readonly attestedAt?: number;
}

/**
 * The rule book. Each field is a value or `'any'`; an absent one is an error
 * (`policy-field-missing`), so nothing is accepted by forgetting to say.
 */
export interface Policy {
  readonly kinds: readonly EvidenceKind[] | 'any';
  readonly trust: readonly Trust[] | 'any';
  readonly families: readonly RootFamily[] | 'any';
  readonly bindings: readonly Binding[] | 'any';
  /** Accepted canonical measurements. */
  readonly measurements: readonly Uint8Array[] | 'any';
  /** Further registers: each name given must be present and have one of the values. */
  readonly registers: Readonly<Record<string, readonly Uint8Array[]>> | 'any';
  readonly signers: readonly Uint8Array[] | 'any';
  readonly reportData: Uint8Array | 'any';
  /** Lowest accepted number by name; a name that the claims lack fails. */
  readonly minimumSvn: Readonly<Record<string, number>> | 'any';
  /** Accepted statuses. `Unrated` must be listed for kinds without one. */
  readonly tcbStatus: readonly TcbStatus[] | 'any';
  /** Accepted advisories: any other that applies fails. */
  readonly advisories: readonly string[] | 'any';
  /** Lowest accepted collateral number. */
  readonly minimumNumber: number | 'any';
  /** Enrolled hardware. */
  readonly hardwareIds: readonly Uint8Array[] | 'any';
  readonly debug: 'never' | 'any';
  readonly migratable: 'never' | 'any';
  /** Accepted weaknesses: any other that applies is a warning. */
  readonly weaknesses: readonly string[] | 'any';
}

/** EAR trust tiers: affirming 2 to 31, warning 32 to 95, contraindicated 96 to 127. */
export type AppraisalStatus = 'affirming' | 'warning' | 'contraindicated';

/** One line of the checklist of an appraisal. */
export interface AppraisalCheck {
  /** The policy field that was checked. */
  readonly field: keyof Policy;
  readonly status: AppraisalStatus;
  /** Stable code when not affirming (`measurement-not-allowed`, `debug-refused`, ...). */
  readonly code?: AppraisalCode | 'tcb-status-accepted-with-warning';
  readonly wanted: string;
  readonly got: string;
}

/** EAR-shaped result: the worst status of its checks. */
export interface Appraisal {
  readonly status: AppraisalStatus;
  readonly checks: readonly AppraisalCheck[];
  readonly trust: Trust;
}

export interface VerifyOptions {
  readonly crypto: CryptoPort;
  /** One bundle, several (the newest for the evidence's kind and subject is used), or none. */
  readonly collateral: Collateral | readonly Collateral[] | null;
  readonly roots: readonly Root[];
  /** Milliseconds since the epoch. There is no default: a verifier has no clock. */
  readonly at: number;
  /** Remembers signatures that held, so that the same collateral is not checked twice. */
  readonly cache?: EvidenceCache;
}

/** The exact length of `Claims.measurement`. What it is made of: the kind's claims.ts. */
export const MEASUREMENT_LENGTH: Readonly<Record<EvidenceKind, number>> = {
  'sgx-dcap': 32,
  'sgx-epid': 32,
  'tdx-dcap': 48,
  'op-tee': 32,
  psa: 32,
  cca: 32,
  itrustee: 32,
  virtcca: 32,
  keystone: 64,
  sanctum: 64,
  'sev-snp': 48,
  sev: 32,
  'sev-es': 32,
  'azure-snp-vtpm': 32,
  'azure-tdx-vtpm': 32,
  tpm2: 32,
  nitro: 48,
  nvidia: 48,
};

/** How many bytes of report data a kind carries; 0 where it carries none. */
export const REPORT_DATA_LENGTH: Readonly<Record<EvidenceKind, 0 | 32 | 64>> = {
  'sgx-dcap': 64,
  'sgx-epid': 64,
  'tdx-dcap': 64,
  'op-tee': 64,
  psa: 64,
  cca: 64,
  itrustee: 64,
  virtcca: 64,
  keystone: 64,
  sanctum: 64,
  'sev-snp': 64,
  sev: 0,
  'sev-es': 0,
  'azure-snp-vtpm': 32,
  'azure-tdx-vtpm': 32,
  tpm2: 32,
  nitro: 64,
  nvidia: 32,
};
