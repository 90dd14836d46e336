// SPDX-License-Identifier: Apache-2.0
// Appraises the evidence behind a join against the charter in force: what was wanted and what came.
// Roots, measurements and levels come from the charter's environment, collateral from the ledger's
// newest events only, report data is computed again from the join, the time is the ledger's clock.
//
// Invariants: evidence that does not verify, or that meets every line but one, is a failure; a blob
// that cannot be had is `unavailable` and never a failure, so silence of a gateway blames nobody.
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
  type Collateral,
  decodeCollateral,
  decodeRoot,
  detectKind,
  EvidenceCache,
  type EvidenceKind,
  evidenceError,
  type Policy,
  REPORT_DATA_LENGTH,
  type Root,
  type TcbStatus,
  verifyEvidence,
} from '@cloister/evidence';
import type { Environment } from '../charter/body.ts';
import { contractError } from '../errors.ts';
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
      /** Digests of the collateral that was there for it, ascending. */
      readonly collateral: readonly Uint8Array[];
    }
  | { readonly ok: false; readonly mismatch: Mismatch };

/** Collateral that can be used, and why some could not be read, if so. */
interface Newest {
  readonly bundles: Collateral[];
  readonly digests: Uint8Array[];
  readonly unread: CodedError | undefined;
}

/** Who appraises joins, as far as a node needs one. */
export type Appraiser = Pick<JoinAppraiser, 'appraise'>;

export class JoinAppraiser {
  readonly #crypto: CryptoPort;
  readonly #blobs: BlobStore;
  readonly #cache = new EvidenceCache();

  constructor(ports: { crypto: CryptoPort; blobs: BlobStore }) {
    this.#crypto = ports.crypto;
    this.#blobs = ports.blobs;
  }

  /**
   * Appraises the join `key` as the state stands.
   * @throws CodedError of kind `unavailable` or `not-found` when a blob cannot be had
   */
  async appraise(state: FoldState, key: string): Promise<JoinAppraisal> {
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
    const bytes = await this.#blobs.get(join.body.evidence);
    const roots = [await this.#root(environment)];
    const { bundles: collateral, digests, unread } = await this.#collateral(state, kind);
    const at = state.clock;
    try {
      const claims = await verifyEvidence(
        { kind, bytes },
        { crypto: this.#crypto, collateral, roots, at, cache: this.#cache },
      );
      const policy = this.#policy(state, join, environment);
      return judged(claims, appraise(claims, policy), digests);
    } catch (error) {
      if (!isCoded(error)) throw error;
      if (unread !== undefined && error.code === 'collateral-missing') throw unread;
      const looks = detectKind(bytes);
      if (looks !== undefined && looks !== kind) return refuse('kind-not-allowed', kind, looks);
      return refuse(error.code, `${kind} evidence that verifies`, error.message);
    }
  }

  /** Blobs are named by their digests, so what was read once is not read again. */
  #root({ root }: Environment): Promise<Root> {
    const read = async () => decodeRoot(await this.#blobs.get(root));
    return this.#cache.remember(`root-document:${toHex(root)}`, read);
  }

  /**
   * The newest collateral of every subject of this kind; verification picks by subject. A bundle
   * that is not what its event says counts for nothing: otherwise any member could stop all
   * appraisals of a kind, or bring back a subject's old collateral under another name.
   */
  async #collateral(state: FoldState, kind: EvidenceKind): Promise<Newest> {
    const bundles: Collateral[] = [];
    const digests: Uint8Array[] = [];
    let unread: CodedError | undefined;
    for (const [name, { digest, number }] of state.collateral) {
      if (!name.startsWith(`${kind}/`)) continue;
      try {
        const bundle = await this.#bundle(digest);
        if (`${bundle.kind}/${bundle.subject}` === name && bundle.number === number) {
          bundles.push(bundle);
          digests.push(digest);
        }
      } catch (error) {
        if (!isCoded(error)) throw error;
        if (error.kind === 'unavailable' || error.kind === 'not-found') unread = error;
      }
    }
    return { bundles, digests: digests.sort(compare), unread };
  }

  #bundle(digest: Uint8Array): Promise<Collateral> {
    const read = async () => decodeCollateral(await this.#blobs.get(digest));
    return this.#cache.remember(`collateral-bundle:${toHex(digest)}`, read);
  }

  #policy(state: FoldState, join: Join, environment: Environment): Policy {
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
function measurementsFor(state: FoldState, join: Join, environment: Environment): Uint8Array[] {
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

function judged(
  claims: Claims,
  appraisal: Appraisal,
  collateral: readonly Uint8Array[],
): JoinAppraisal {
  if (appraisal.status !== 'contraindicated') return { ok: true, claims, appraisal, collateral };
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
