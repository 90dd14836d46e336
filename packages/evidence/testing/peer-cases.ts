// SPDX-License-Identifier: Apache-2.0
// For tests: what other libraries are asked about. Every shared DCAP and SNP case, and minted
// specimens with their mutations, under a development root that both sides are told to trust.
import { concat, fromUtf8, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { EvidenceCache } from '../src/cache.ts';
import { makeCollateral, parseCollateralJson } from '../src/collateral.ts';
import { parseQuote } from '../src/dcap/quote.ts';
import { verifyQuoteSignatures } from '../src/dcap/verify.ts';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  type MintCollateralOptions,
  mintCollateral,
  mintSgx,
  mintSnp,
  mintTdx,
} from '../src/minting.ts';
import { VENDOR_ROOTS } from '../src/roots/vendors.ts';
import {
  type Claims,
  type Collateral,
  MEASUREMENT_LENGTH,
  REPORT_DATA_LENGTH,
  type Root,
} from '../src/types.ts';
import { verifyEvidence } from '../src/verify.ts';
import { type Case, cases, codeOf, quoteBytes, read, teeOf, text } from './cases.ts';

export type PeerKind = 'sgx-dcap' | 'tdx-dcap' | 'sev-snp';

export interface PeerCase {
  readonly id: string;
  readonly kind: PeerKind;
  readonly bytes: Uint8Array;
  /** Null: signatures and chain only (DCAP). */
  readonly collateral: Collateral | null;
  readonly roots: readonly Root[];
  /** Milliseconds. */
  readonly at: number;
  /** A shared bundle that does not even parse here, and by which code. */
  readonly broken?: { readonly members: Record<string, string>; readonly code: string };
}

const DAY = 86_400_000;
const AT = Date.UTC(2026, 0, 15);
const cache = new EvidenceCache();

/** Our verdict: `verified` or a code, and the claims where there are any. */
export async function ours(c: PeerCase): Promise<{ outcome: string; claims?: Claims }> {
  const { kind, bytes, collateral, roots, at, broken } = c;
  if (broken !== undefined) return { outcome: broken.code };
  const options = { crypto: nodeCrypto, roots, cache, at };
  let claims: Claims | undefined;
  const outcome = await codeOf(async () => {
    if (collateral === null && kind !== 'sev-snp') {
      await verifyQuoteSignatures(parseQuote(bytes), options);
    } else claims = await verifyEvidence({ kind, bytes }, { ...options, collateral });
  });
  return claims === undefined ? { outcome } : { outcome, claims };
}

/** The members of a DCAP bundle as the peers' programs read them. */
export function bundleMembers({ collateral, broken }: PeerCase): Record<string, string> {
  if (broken !== undefined) return broken.members;
  const out: Record<string, string> = {};
  for (const [name, bytes] of Object.entries(collateral?.items ?? {})) {
    const isText = /chain$|^tcb-info$|^qe-identity$/.test(name);
    out[name.replaceAll('-', '_')] = isText ? fromUtf8(bytes) : toHex(bytes);
  }
  return out;
}

/** The certificates of the roots for `kind`, hexadecimal DER. */
export function rootCertificates({ kind, roots }: PeerCase): string[] {
  return roots
    .filter((root) => root.kinds.includes(kind) && root.certificate !== undefined)
    .map((root) => toHex(root.certificate as Uint8Array));
}

/** Shared DCAP cases with their bundles. */
export async function sharedDcap(): Promise<PeerCase[]> {
  const out: PeerCase[] = [];
  for (const c of cases) {
    if (!['sgx', 'tdx', 'dcap'].includes(c.kind) || c.collateralBundle === undefined) continue;
    const tee = teeOf(c);
    const kind = tee === 'SGX' ? 'sgx-dcap' : 'tdx-dcap';
    const at = Date.parse(c.at as string);
    const bytes = quoteBytes(c.evidence, tee);
    const base = { id: c.id, kind, bytes, roots: VENDOR_ROOTS, at } as const;
    const file = c.collateralBundle;
    let collateral: Collateral | null = null;
    const code = await codeOf(async () => {
      collateral = parseCollateralJson(kind, read(file));
    });
    if (collateral !== null) out.push({ ...base, collateral });
    else {
      const json = JSON.parse(text(file));
      const broken = { members: json.collateral ?? json, code };
      out.push({ ...base, collateral, broken });
    }
  }
  return out;
}

/** Shared TDX quotes by themselves, a day after their PCK certificate began. */
export function sharedTdxQuotes(): PeerCase[] {
  const alone = (c: Case) => c.kind === 'tdx' && c.collateralBundle === undefined;
  return cases.filter(alone).map((c) => {
    const [begin] = (c.claims?.['pck_validity'] as string[] | undefined) ?? [];
    const at = Date.parse(begin?.replace(' ', 'T') ?? '2025-06-15T00:00:00Z') + DAY;
    const bytes = quoteBytes(c.evidence, c.claims?.['tee']);
    return { id: c.id, kind: 'tdx-dcap', bytes, collateral: null, roots: VENDOR_ROOTS, at };
  });
}

export function sharedSnp(): PeerCase[] {
  return cases
    .filter((c) => c.kind === 'snp')
    .map((c) => {
      const files = c.collateral;
      const at = Date.parse(c.at ?? '2025-01-01T00:00:00Z');
      const name = files?.ask.includes('VLEK') ? 'asvk' : 'ask';
      const collateral =
        files === undefined
          ? null
          : makeCollateral('sev-snp', { [name]: read(files.ask), leaf: read(files.leaf) });
      const bytes = read(c.evidence);
      return { id: c.id, kind: 'sev-snp', bytes, collateral, roots: VENDOR_ROOTS, at };
    });
}

/** Development roots of this kind, always the same two: one is trusted, the other is not. */
function developmentRoots(kind: PeerKind): [DevelopmentRoot, DevelopmentRoot] {
  const make = (n: number) => createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(n) });
  return [make(21), make(22)];
}

const FILL = { reportData: 0x22, measurement: 0x11 } as const;

function filled(kind: PeerKind, root: DevelopmentRoot) {
  const measurement = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(FILL.measurement);
  const reportData = new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(FILL.reportData);
  return { root, measurement, reportData, at: AT };
}

/** Minted evidence in its variants, mutated evidence, and changed collateral. */
export function minted(kind: PeerKind): PeerCase[] {
  const [root, other] = developmentRoots(kind);
  const request = filled(kind, root);
  const bundle = (more: Partial<MintCollateralOptions> = {}) =>
    mintCollateral(root, { at: AT - DAY, ...more });
  const collateral = bundle();
  const out: PeerCase[] = [];
  const add = (id: string, more: Partial<PeerCase>) => {
    const base = { kind, collateral, roots: [root.root], at: AT };
    out.push({ ...base, bytes: new Uint8Array(0), ...more, id: `minted ${kind} ${id}` });
  };
  for (const [name, bytes] of variants(kind, root)) {
    add(name, { bytes });
    const padded = concat(bytes, new Uint8Array(70));
    add(`${name}, zero padding`, { bytes: padded });
    add(`${name}, a trailing byte`, { bytes: concat(bytes, Uint8Array.of(1)) });
    for (const cut of [1, 47, 500, 1000, bytes.length - 1]) {
      add(`${name}, cut to ${cut}`, { bytes: bytes.subarray(0, cut) });
    }
  }
  const bytes = mintOf(kind, request);
  add('at a time before its certificates', { bytes, at: Date.UTC(2024, 0, 1) });
  add('at a time after its certificates', { bytes, at: Date.UTC(2090, 0, 1) });
  add('at a time before its collateral', { bytes, at: AT - 3 * DAY });
  add('at a time after its collateral', { bytes, at: AT + 90 * DAY });
  add('under another root', { bytes, roots: [other.root] });
  const strange = mintCollateral(other, { at: AT - DAY });
  add('with the collateral of another root', { bytes, collateral: strange });
  const withdrawn = bundle({ revokeIntermediate: true });
  add('with its intermediate revoked', { bytes, collateral: withdrawn });
  for (const at of flipPositions(bytes)) {
    add(`flipped at ${at}`, { bytes: flip(bytes, at, at % 8) });
  }
  for (const [name, item] of Object.entries(collateral.items)) {
    for (let i = 0; i < 12; i++) {
      const at = Math.floor(((i + 0.5) * item.length) / 12);
      const items = { ...collateral.items, [name]: flip(item, at, (at + i) % 7) };
      // Ours derives the subject from the statements, and refuses what does not parse there.
      add(`with ${name} flipped at ${at}`, { bytes, collateral: { ...collateral, items } });
    }
  }
  if (kind !== 'sev-snp') addDcap(add, root, bundle, bytes);
  return out;
}

type Add = (id: string, more: Partial<PeerCase>) => void;

/** What only DCAP has: levels with a status, PCK certificates that can be revoked. */
function addDcap(
  add: Add,
  root: DevelopmentRoot,
  bundle: (more: Partial<MintCollateralOptions>) => Collateral,
  bytes: Uint8Array,
): void {
  const revoked = [new Uint8Array(16).fill(9)];
  const request = { ...filled(root.kind as PeerKind, root), hardwareId: revoked[0] as Uint8Array };
  const quote = mintOf(root.kind as PeerKind, request);
  add('with its PCK certificate revoked', { bytes: quote, collateral: bundle({ revoked }) });
  add('with another PCK certificate revoked', { bytes, collateral: bundle({ revoked }) });
  for (const status of [
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
    'Revoked',
  ]) {
    const level = { status, advisories: ['INTEL-SA-00001', 'INTEL-SA-00002'] };
    add(`at level ${status}`, { bytes, collateral: bundle(level) });
    const oldQe = mintOf(root.kind as PeerKind, { ...request, svn: { qe: 2 } });
    add(`at level ${status} with an old QE`, { bytes: oldQe, collateral: bundle(level) });
  }
}

type Request = Parameters<typeof mintTdx>[0] & Omit<Parameters<typeof mintSgx>[0], 'root'>;

function mintOf(kind: PeerKind, request: Request): Uint8Array {
  if (kind === 'sgx-dcap') return mintSgx(request);
  return kind === 'tdx-dcap' ? mintTdx(request) : mintSnp(request);
}

/** Evidence that differs in one thing each; all of it is signed as it should be. */
function variants(kind: PeerKind, root: DevelopmentRoot): [string, Uint8Array][] {
  const request = filled(kind, root);
  const list: [string, Partial<Request>][] = [
    ['plain', {}],
    ['debug', { debug: true }],
  ];
  if (kind === 'sev-snp') {
    list.push(['migratable', { migratable: true }], ['guest SVN 7', { svn: { guest: 7 } }]);
    list.push(['microcode 90', { svn: { microcode: 90 } }]);
  } else {
    list.push(['old QE', { svn: { qe: 2 } }], ['too old QE', { svn: { qe: 0 } }]);
    list.push(['old platform', { svn: { component: 2 } }], ['old PCE', { svn: { pce: 2 } }]);
    list.push(['too old platform', { svn: { component: 0 } }]);
  }
  if (kind === 'sgx-dcap') list.push(['v4', { version: 4 }], ['v5', { version: 5 }]);
  if (kind === 'tdx-dcap') {
    const teeTcbSvn2 = new Uint8Array(16).fill(4).fill(1, 1, 2);
    const old = { module: 2 };
    list.push(
      ['migratable', { migratable: true }],
      ['SEPT_VE not disabled', { septVeDisabled: false }],
      ['old module', { svn: old }],
      ['too old module', { svn: { module: 0 } }],
      ['module version 0', { svn: { moduleVersion: 0 } }],
      ['unknown module version', { svn: { moduleVersion: 3 } }],
      ['v5', { teeTcbSvn2 }],
      ['v5 old module, new one running', { teeTcbSvn2, svn: old }],
      [
        'v5 old module, old one running',
        { teeTcbSvn2: teeTcbSvn2.slice().fill(2, 0, 1), svn: old },
      ],
      ['v5 service TD', { teeTcbSvn2, mrServiceTd: new Uint8Array(48).fill(7) }],
    );
  }
  return list.map(([name, more]) => [name, mintOf(kind, { ...request, ...more })]);
}

/** Every seventh byte of what is binary, every hundredth of what follows. */
function flipPositions(bytes: Uint8Array): number[] {
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += at < 1400 ? 7 : 101) out.push(at);
  return out;
}

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const out = bytes.slice();
  out[at] = (out[at] as number) ^ (1 << bit);
  return out;
}
