// SPDX-License-Identifier: Apache-2.0
// One judgement of one file of evidence: verified, appraised, and told as a checklist.
//
// Invariants: a refusal is an answer (with its stable code), not an error; what cannot be judged at
// all is an error. Without a policy the rule is `openPolicy` and no revoked TCB.
import { CodedError, fromHex, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  type Appraisal,
  appraise,
  type Claims,
  type Collateral,
  claimsJson,
  decodeCollateral,
  decodeEvidenceFile,
  detectKind,
  type EvidenceForm,
  type EvidenceKind,
  openPolicy,
  type Policy,
  parseCollateralJson,
  parsePolicy,
  type Root,
  type TcbStatus,
  VENDOR_ROOTS,
  verifyEvidence,
} from '@cloister/evidence';
import { cliError } from '../errors.ts';
import { readBytes, readEvidence } from '../named-files.ts';
import { readRoots } from './roots.ts';

/** The options of `evidence verify`, as they come from the command line. */
export interface JudgeOptions {
  readonly tee?: EvidenceKind;
  readonly collateral?: readonly string[];
  readonly roots?: readonly string[];
  readonly at?: string;
  readonly policy?: string;
  readonly reportData?: string;
}

export interface Judgement {
  readonly file: string;
  readonly kind: EvidenceKind;
  /** True where the kind was found from the bytes. */
  readonly detected: boolean;
  readonly form: EvidenceForm;
  readonly bytes: number;
  readonly at: number;
  readonly accepted: boolean;
  /** Why it is refused; absent when accepted. */
  readonly refusal?: { readonly code: string; readonly message: string };
  /** Absent where verification itself refused. */
  readonly claims?: Claims;
  readonly appraisal?: Appraisal;
  readonly policy: 'file' | 'default';
  readonly reportDataCompared: boolean;
}

/** Statuses accepted without a policy: all but Revoked. Others than UpToDate are a warning. */
const STATUSES: readonly TcbStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Unrated',
];

/**
 * Verifies and appraises a file.
 * @throws CodedError when it cannot be judged: files that are missing or malformed, no kind, no
 *   collateral where the kind needs some, unsupported forms
 */
export async function judgeEvidence(file: string, options: JudgeOptions): Promise<Judgement> {
  const { bytes, form } = decodeEvidenceFile(await readEvidence(file));
  const kind = options.tee ?? detectKind(bytes);
  if (kind === undefined) {
    const message = `${file}: its bytes do not show what evidence it is; say so with --tee`;
    throw cliError('option-malformed', message);
  }
  const at = options.at === undefined ? Date.now() : parseTime(options.at);
  const collateral = await readBundles(options.collateral ?? [], kind);
  const roots = options.roots === undefined ? vendorRoots(kind) : await readRoots(options.roots);
  const basePolicy = await readPolicy(options.policy);
  const wanted = options.reportData === undefined ? undefined : parseHex(options.reportData);
  const judgement = {
    ...{ file, kind, form, at, bytes: bytes.length },
    detected: options.tee === undefined,
    policy: options.policy === undefined ? ('default' as const) : ('file' as const),
    reportDataCompared: wanted !== undefined || basePolicy.reportData !== 'any',
  };
  let claims: Claims;
  try {
    claims = await verifyEvidence({ kind, bytes }, { crypto: nodeCrypto, collateral, roots, at });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const { code, message } = error;
    return { ...judgement, accepted: false, refusal: { code, message } };
  }
  const policy =
    wanted === undefined
      ? basePolicy
      : { ...basePolicy, reportData: padded(wanted, claims.reportData) };
  const appraisal = appraise(claims, policy);
  const failed = appraisal.checks.find((check) => check.status === 'contraindicated');
  if (failed === undefined) return { ...judgement, accepted: true, claims, appraisal };
  const code = failed.code ?? 'policy-refused';
  const message = `${failed.field}: wanted ${failed.wanted}, got ${failed.got}`;
  return { ...judgement, accepted: false, refusal: { code, message }, claims, appraisal };
}

function vendorRoots(kind: EvidenceKind): readonly Root[] {
  if (VENDOR_ROOTS.some((root) => root.kinds.includes(kind))) return VENDOR_ROOTS;
  const message = `no vendor's root vouches for ${kind}: name who does with --roots`;
  throw cliError('option-malformed', message);
}

/** Refused evidence, unlike evidence (or options) that nothing can be said about. */
function isRefusal(error: unknown): error is CodedError {
  return isCoded(error) && (error.kind === 'verification' || error.kind === 'policy');
}

async function readBundles(paths: readonly string[], kind: EvidenceKind): Promise<Collateral[]> {
  return await Promise.all(
    paths.map(async (path) => {
      const bytes = await readBytes(path);
      return bytes[0] === 0x7b ? parseCollateralJson(kind, bytes) : decodeCollateral(bytes);
    }),
  );
}

async function readPolicy(path: string | undefined): Promise<Policy> {
  if (path === undefined) return { ...openPolicy(), tcbStatus: STATUSES };
  return parsePolicy(await readBytes(path));
}

/** RFC 3339 with a zone, or a day in UTC. */
function parseTime(text: string): number {
  const zoned = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const at = zoned ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at)) return at;
  const message = `wanted a time such as 2026-01-15T12:00:00Z, got ${text}`;
  throw cliError('option-malformed', message);
}

function parseHex(text: string): Uint8Array {
  try {
    return fromHex(text.replace(/^0x/, ''));
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    const message = '--report-data is hexadecimal, an even number of digits';
    throw cliError('option-malformed', message, { cause });
  }
}

/** Applications bind 32 bytes where a kind has 64: zeros at the end may be left out. */
function padded(wanted: Uint8Array, got: Uint8Array): Uint8Array {
  if (wanted.length >= got.length) return wanted;
  const out = new Uint8Array(got.length);
  out.set(wanted);
  return out;
}

export function judgementJson(judgement: Judgement): unknown {
  const { claims, appraisal, refusal, at, ...rest } = judgement;
  return {
    ...rest,
    at: new Date(at).toISOString(),
    ...(refusal === undefined ? {} : refusal),
    ...(claims === undefined
      ? {}
      : { simulated: claims.trust === 'simulated', claims: claimsJson(claims) }),
    ...(appraisal === undefined ? {} : { status: appraisal.status, checks: appraisal.checks }),
  };
}

const TRUST: Readonly<Record<Claims['trust'], string>> = {
  hardware: 'hardware',
  'test-root': 'TEST ROOT: a published test key, no proof of hardware',
  simulated: 'SIMULATED: a development root, no hardware at all',
};

/** The checklist for people. */
export function judgementLines(judgement: Judgement): string[] {
  const { file, kind, bytes, form, at, claims, refusal } = judgement;
  const found = judgement.detected ? 'found from its bytes' : 'as told';
  const when = new Date(at).toISOString();
  const lines = [`${file}: ${kind} (${found}), ${bytes} bytes (${form}), judged at ${when}`];
  if (claims !== undefined) {
    lines.push('', 'Proved:', ...claims.proved.map((line) => `  [x] ${line}`));
    lines.push('', 'It says:', ...claimLines(claims, judgement.reportDataCompared));
    lines.push('', ...ruleLines(judgement));
  }
  if (refusal !== undefined) return [...lines, '', `REFUSED [${refusal.code}] ${refusal.message}`];
  const mark = claims?.trust === 'hardware' ? '' : `  ${claims?.trust.toUpperCase()}`;
  const warned = judgement.appraisal?.status === 'warning' ? ' WITH WARNINGS' : '';
  return [...lines, '', `ACCEPTED${warned}${mark}`];
}

function claimLines(claims: Claims, compared: boolean): string[] {
  const { tcb, hardwareId, time, trust, family, alsoFamilies = [] } = claims;
  const unchecked = claims.weaknesses.includes('revocation-unchecked');
  const rows: [string, string][] = [
    ['trust', TRUST[trust]],
    ['root', `${[family, ...alsoFamilies].join(' and ')}, ${claims.root}`],
    ['revocation', unchecked ? 'NOT CHECKED: the collateral has no list' : 'see above'],
    ['TCB', tcb.status + (tcb.number === 0 ? '' : `, collateral number ${tcb.number}`)],
    ['advisories', tcb.advisories.join(', ') || 'none'],
    [
      'versions',
      Object.entries(tcb.svn)
        .map(([name, svn]) => `${name} ${svn}`)
        .join(', '),
    ],
    ['debug', claims.debug ? 'YES: its operator can read its memory' : 'no'],
    ['migratable', claims.migratable ? 'YES' : 'no'],
    ['measurement', toHex(claims.measurement)],
    ['signers', claims.signers.map(toHex).join(', ') || 'none'],
    ['report data', `${toHex(claims.reportData)}${compared ? '' : '  (compared with nothing)'}`],
    ['binding', claims.binding],
    ['hardware id', `${hardwareId.type} ${toHex(hardwareId.value)}`],
    ['valid until', endOf(time.validUntil)],
    ['weaknesses', claims.weaknesses.join(', ') || 'none known'],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(12)} ${value}`);
}

/** Keys that someone enrolled have no end. */
function endOf(time: number): string {
  return Number.isFinite(time) ? new Date(time).toISOString() : 'without end';
}

function ruleLines(judgement: Judgement): string[] {
  const { appraisal, policy } = judgement;
  if (appraisal === undefined) return [];
  const title = policy === 'file' ? 'The policy:' : 'No policy given; the least of rules:';
  const told = appraisal.checks.filter(
    (c) => !c.wanted.endsWith('any') || c.status !== 'affirming',
  );
  const MARK = { affirming: '[x]', warning: '[!]', contraindicated: '[ ]' } as const;
  return [
    title,
    ...told.map((check) => {
      const code = check.code === undefined ? '' : ` [${check.code}]`;
      return `  ${MARK[check.status]} ${check.field}: ${check.got || 'none'}${code}`;
    }),
  ];
}
