// SPDX-License-Identifier: Apache-2.0
// Differential: every shared DCAP case with collateral, judged by us and by Phala Network's
// JavaScript library. Where the two part, the rule that explains it is listed; any other difference
// fails, and so does an explanation that nothing needs.
import { nodeCrypto } from '@cloister/core/node';
import { QuoteVerifier } from '@phala/dcap-qvl';
import { describe, expect, it } from 'vitest';
import { EvidenceCache } from './cache.ts';
import { parseCollateralJson } from './collateral.ts';
import { VENDOR_ROOTS } from './roots/vendors.ts';
import { type Case, cases, codeOf, hasShared, quoteBytes, read, teeOf, text } from './testing.ts';
import type { Claims } from './types.ts';
import { verifyEvidence } from './verify.ts';

interface PeerCollateral {
  [member: string]: unknown;
}

function peerVerdict(c: Case, bytes: Uint8Array): { status: string; advisories: string[] } {
  const bundle = JSON.parse(text(c.collateralBundle as string)) as PeerCollateral;
  const collateral = (bundle['collateral'] ?? bundle) as PeerCollateral;
  const seconds = Date.parse(c.at as string) / 1000;
  try {
    const given = collateral as unknown as Parameters<QuoteVerifier['verify']>[1];
    const report = QuoteVerifier.newProd().verify(Buffer.from(bytes), given, seconds);
    return { status: report.status, advisories: report.advisory_ids };
  } catch (error) {
    return { status: `refused: ${(error as Error).message}`, advisories: [] };
  }
}

async function ours(c: Case, bytes: Uint8Array): Promise<{ code: string; claims?: Claims }> {
  let claims: Claims | undefined;
  const kind = teeOf(c) === 'SGX' ? 'sgx-dcap' : 'tdx-dcap';
  const code = await codeOf(async () => {
    const collateral = parseCollateralJson(kind, read(c.collateralBundle as string));
    const options = { crypto: nodeCrypto, roots: VENDOR_ROOTS, cache: new EvidenceCache() };
    const at = Date.parse(c.at as string);
    claims = await verifyEvidence({ kind, bytes }, { ...options, collateral, at });
  });
  return claims === undefined ? { code } : { code, claims };
}

interface Difference {
  readonly ids: RegExp;
  readonly peer: RegExp;
  readonly ours: string;
  readonly why: string;
}

/** Every way in which the two part, with the rule that explains it. README.md has the same list. */
const DIFFERENCES: readonly Difference[] = [
  {
    ids: /occlum_quote_dat__eval17|solana_quote_sgx_bin|tdx_quote_4_dat/,
    peer: /^refused: Debug mode is enabled$/,
    ours: 'verified',
    why: 'debug is a claim here, and a policy refuses it',
  },
  {
    ids: /alibaba_quote_5_dat/,
    peer: /^refused: Invalid mr service td$/,
    ours: 'verified',
    why: 'a service TD is a claim here (migratable), and a policy refuses it',
  },
  {
    ids: /__eval(12_2022-11-17|21_2026-06-12)$/,
    peer: /./,
    ours: 'crl-not-yet-valid',
    why: 'a CRL that begins after the time to judge at is refused here',
  },
  {
    ids: /__pck_crl_byte/,
    peer: /^UpToDate$/,
    ours: 'crl-signature-invalid',
    why: 'the peer does not check the signature of a PCK CRL',
  },
  {
    ids: /ccel_cos_113_tdx_quote_dat__eval17/,
    peer: /^OutOfDate$/,
    ours: 'verified UpToDate',
    why: 'with a module version above 0 components 0 and 1 belong to the module identity (PCS API)',
  },
  {
    ids: /az_tdx_vtpm_td_quote_bin__eval17/,
    peer: /^refused: No matching TCB level found$/,
    ours: 'verified OutOfDate',
    why: 'the same',
  },
];

describe.skipIf(!hasShared)('judged by another library too [skip: shared]', () => {
  const list = cases
    .filter((c) => ['sgx', 'tdx', 'dcap'].includes(c.kind) && c.collateralBundle !== undefined)
    .map((c): [string, Case] => [c.id, c]);
  const used = new Set<Difference>();

  it.each(list)('%s', async (id, c) => {
    const bytes = quoteBytes(c.evidence, teeOf(c));
    const peer = peerVerdict(c, bytes);
    const { code, claims } = await ours(c, bytes);
    const outcome = claims === undefined ? code : `verified ${claims.tcb.status}`;
    const difference = DIFFERENCES.find((d) => d.ids.test(id) && d.peer.test(peer.status));
    if (difference !== undefined && outcome.startsWith(difference.ours)) {
      used.add(difference);
      return;
    }
    expect(claims === undefined).toBe(peer.status.startsWith('refused'));
    if (claims === undefined) return;
    expect(claims.tcb.status).toBe(peer.status);
    expect(claims.tcb.advisories).toEqual([...peer.advisories].sort());
  });

  it('parts from us in each way that is listed, and in no other', () => {
    expect(DIFFERENCES.filter((d) => !used.has(d)).map((d) => d.why)).toEqual([]);
  });
});
