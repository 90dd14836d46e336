// SPDX-License-Identifier: Apache-2.0
// Appraises the evidence behind a join against the charter in force: what was wanted and what came.
// Roots, measurements and levels come from the charter's environment, collateral from the parts
// that the state has in force, report data is computed again from the join, the time is the
// ledger's clock. So all who judge at one head judge alike.
//
// Invariants: evidence that does not verify, or that meets every line but one, is a failure; a blob
// that cannot be had is `unavailable` and never a failure, so silence of a gateway blames nobody.
// Collateral that is not in force is a mismatch of now (`collateral-not-in-force`): who appraises
// for good asks again.
import {
  type BlobStore,
  type CodedError,
  type CryptoPort,
  compare,
  coreError,
  equal,
  hasCode,
  isCoded,
  toHex,
} from '@cloister/core';
import {
  type Appraisal,
  appraisalError,
  appraise,
  type Claims,
  collateralOfParts,
  decodeRoot,
  detectKind,
  type Evidence,
  EvidenceCache,
  type EvidenceKind,
  evidenceError,
  type Policy,
  partDigest,
  partsNeeded,
  REPORT_DATA_LENGTH,
  type Root,
  type TcbStatus,
  verifyEvidence,
} from '@cloister/evidence';
import { BLOB_MOST } from '../blob-bounds.ts';
import type { Environment } from '../charter/body.ts';
import { contractError } from '../errors.ts';
import { chooseParts } from '../fold/collateral.ts';
import { environmentById } from '../fold/lookup.ts';
import type { FoldState, Join } from '../fold/state.ts';
import { reportData } from './report-data.ts';

const TEXT_MAX = 200;

/** What the charter wanted of a node, and what its evidence showed instead. */
export interface Mismatch {
  readonly code: string;
  readonly wanted: string;
  readonly got: string;
}

export type JoinAppraisal =
  | {
      readonly ok: true;
      readonly claims: Claims;
      readonly appraisal: Appraisal;
      /** Digests of the parts of collateral that it was judged with, ascending. */
      readonly parts: readonly Uint8Array[];
    }
  | { readonly ok: false; readonly mismatch: Mismatch };

/** What an appraisal looks at of a state. */
export type AppraisedState = Pick<
  FoldState,
  'genesis' | 'charter' | 'clock' | 'collateral' | 'joins' | 'tasks'
>;

interface JudgedBy {
  readonly environment: Environment;
  readonly evidence: Evidence;
  readonly root: Root;
}

/** Who appraises joins, as far as a node needs one. */
export type Appraiser = Pick<JoinAppraiser, 'appraise'>;

export class JoinAppraiser {
  readonly #crypto: CryptoPort;
  readonly #blobs: Pick<BlobStore, 'get'>;
  readonly #cache = new EvidenceCache();

  constructor(ports: { crypto: CryptoPort; blobs: Pick<BlobStore, 'get'> }) {
    this.#crypto = ports.crypto;
    this.#blobs = ports.blobs;
  }

  /**
   * Appraises the join `key` as the state stands.
   * @throws CodedError of kind `unavailable` or `not-found` when a blob cannot be had
   */
  async appraise(state: AppraisedState, key: string): Promise<JoinAppraisal> {
    const join = state.joins.get(key);
    if (join === undefined) {
      throw contractError('join-unknown', `no accepted join has the id ${key}`);
    }
    const { charter } = state;
    const named = join.body.environment;
    const environment = charter === null ? undefined : environmentById(charter, named);
    if (environment === undefined || environment.role !== join.body.role) {
      const wanted = `a ${join.body.role} environment of the charter`;
      return refuse('environment-not-allowed', wanted, named);
    }
    const { measurement } = join.body;
    const pinned = environment.measurements.map((m) => m.measurement);
    if (!pinned.some((m) => equal(m, measurement))) {
      return refuse('measurement-not-allowed', pinned.map(toHex).join(', '), toHex(measurement));
    }
    const kind = environment.tee as EvidenceKind;
    const bytes = await this.#blobs.get(join.body.evidence, BLOB_MOST.evidence);
    const root = await this.#root(environment);
    try {
      return await this.#judge(state, join, { environment, evidence: { kind, bytes }, root });
    } catch (error) {
      if (!isCoded(error)) throw error;
      const looks = detectKind(bytes);
      if (looks !== undefined && looks !== kind) return refuse('kind-not-allowed', kind, looks);
      return refuse(error.code, `${kind} evidence that verifies`, error.message);
    }
  }

  async #judge(state: AppraisedState, join: Join, by: JudgedBy): Promise<JoinAppraisal> {
    const { environment, evidence, root } = by;
    const crypto = this.#crypto;
    if (!equal(crypto.digest('sha256', root.key), environment.rootKey)) {
      return refuse('root-untrusted', toHex(environment.rootKey), `the key of ${root.source}`);
    }
    const chosen = chooseParts(state, environment, partsNeeded(evidence, { root, crypto }));
    const options = { crypto, roots: [root], at: state.clock, cache: this.#cache };
    if ('missing' in chosen) {
      await this.#verifyAlone(evidence, options);
      const { part, subject } = chosen.missing;
      return refuse('collateral-not-in-force', `${part} of '${subject}' in force`, 'none');
    }
    const parts = chosen.parts.map(({ body }) => body);
    const collateral = parts.length === 0 ? null : collateralOfParts(evidence.kind, parts);
    const claims = await verifyEvidence(evidence, { ...options, collateral });
    const digests = parts.map((part) => partDigest(part, crypto)).sort(compare);
    return judged(claims, appraise(claims, this.#policy(state, join, environment)), digests);
  }

  /** What can be wrong without collateral is told first: what a stranger made needs none. */
  async #verifyAlone(
    evidence: Evidence,
    options: Omit<Parameters<typeof verifyEvidence>[1], 'collateral'>,
  ): Promise<void> {
    try {
      await verifyEvidence(evidence, { ...options, collateral: null });
    } catch (error) {
      if (!isCoded(error, 'collateral-missing')) throw error;
    }
  }

  /** Blobs are named by their digests, so what was read once is not read again. */
  #root({ root }: Environment): Promise<Root> {
    const read = async () => decodeRoot(await this.#blobs.get(root, BLOB_MOST.root));
    return this.#cache.remember(`root-document:${toHex(root)}`, read);
  }

  #policy(state: AppraisedState, join: Join, environment: Environment): Policy {
    const kind = environment.tee as EvidenceKind;
    const length = REPORT_DATA_LENGTH[kind] === 32 ? 32 : 64;
    const genesis = state.genesis;
    const input = { genesis, signing: join.signer, join: join.body };
    const measurements = measurementsFor(state, join, environment);
    return {
      kinds: [kind],
      trust: [environment.trust],
      families: [environment.family as Claims['family']],
      bindings: ['report-data'],
      measurements,
      registers: registersFor(kind, measurements),
      signers: 'any',
      reportData: reportData(input, length, this.#crypto),
      minimumSvn: minimumSvn(kind, environment.minimumSvn),
      tcbStatus: environment.tcb as readonly TcbStatus[] | 'any',
      advisories: environment.advisories,
      minimumNumber: 'any',
      hardwareIds: [join.body.hardware],
      debug: 'never',
      migratable: 'never',
      weaknesses: 'any',
    };
  }
}

/** What the environment takes, and of it what the join says it is; a worker's task may insist. */
function measurementsFor(
  state: Pick<FoldState, 'tasks'>,
  join: Join,
  environment: Environment,
): Uint8Array[] {
  const pinned = environment.measurements.map((m) => m.measurement);
  const { task, measurement } = join.body;
  const insists =
    task === undefined ? undefined : state.tasks.get(toHex(task))?.body.worker.measurements;
  return pinned
    .filter((m) => equal(m, measurement))
    .filter((m) => insists === undefined || insists.some((other) => equal(m, other)));
}

/**
 * OP-TEE attests to several digests; only that of the caller's own memory says what runs, so only
 * that one is seated (protocol notes, "Who stands where").
 */
function registersFor(kind: EvidenceKind, measurements: Uint8Array[]): Policy['registers'] {
  return kind === 'op-tee' ? { 'ta-memory': measurements } : 'any';
}

/** The security version that an environment's minimum is about, by kind. */
const SVN_NAMES: Readonly<Partial<Record<EvidenceKind, string>>> = {
  'sgx-dcap': 'isv',
  'sev-snp': 'guest',
};

function minimumSvn(kind: EvidenceKind, minimum: number | 'any'): Record<string, number> | 'any' {
  return minimum === 'any' ? 'any' : { [SVN_NAMES[kind] ?? 'svn']: minimum };
}

function judged(claims: Claims, appraisal: Appraisal, parts: readonly Uint8Array[]): JoinAppraisal {
  if (appraisal.status !== 'contraindicated') return { ok: true, claims, appraisal, parts };
  const failed = appraisal.checks.find((check) => check.status === 'contraindicated');
  return refuse(failed?.code ?? 'appraisal-failed', failed?.wanted ?? '', failed?.got ?? '');
}

function refuse(code: string, wanted: string, got: string): JoinAppraisal {
  const short = (text: string) => text.slice(0, TEXT_MAX);
  return { ok: false, mismatch: { code, wanted: short(wanted), got: short(got) } };
}

/** What did not match, as the refusal of who must go on without this node. */
export function evidenceRefused({ code }: Mismatch, message: string): CodedError {
  if (hasCode(appraisalError, code)) return appraisalError(code, message);
  if (hasCode(evidenceError, code)) return evidenceError(code, message);
  if (hasCode(coreError, code)) return coreError(code, message);
  return contractError(hasCode(contractError, code) ? code : 'appraisal-failed', message);
}
