// SPDX-License-Identifier: Apache-2.0
// Differential: DCAP cases judged by us and by Phala Network's two packages for JavaScript, one
// written in it and one the Rust library as WebAssembly. Shared cases for both; minted ones, with
// their mutations, for the first, since the second trusts Intel's root alone.
// docs/design/evidence-differences.md explains what is listed here.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { QuoteVerifier } from '@phala/dcap-qvl';
import { initSync, js_verify } from '@phala/dcap-qvl-web';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../testing/cases.ts';
import { bundleMembers, minted, ours, type PeerCase, sharedDcap } from '../testing/peer-cases.ts';
import { type Difference, Differences } from '../testing/peer-program.ts';

type Peer = (c: PeerCase) => { status: string; advisory_ids: string[] };

const byJavaScript: Peer = (c) => {
  const [root] = c.roots.filter((r) => r.kinds.includes(c.kind));
  const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root?.certificate as Uint8Array));
  const collateral = bundleMembers(c) as unknown as Parameters<typeof verifier.verify>[1];
  return verifier.verify(Buffer.from(c.bytes), collateral, Math.floor(c.at / 1000));
};

const byWebAssembly: Peer = (c) =>
  js_verify(c.bytes, bundleMembers(c), BigInt(Math.floor(c.at / 1000)));

function verdict(peer: Peer, c: PeerCase): string {
  try {
    const { status, advisory_ids: advisories } = peer(c);
    return ['verified', status, ...[...advisories].sort()].join(' ');
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const DEBUG: Omit<Difference, 'every'> = {
  peer: /^refused: Debug mode is enabled$/,
  ours: /^verified /,
  why: 'debug is a claim here, and a policy refuses it',
};
const SERVICE_TD: Omit<Difference, 'every'> = {
  peer: /^refused: Invalid mr service td$/,
  ours: /^verified /,
  why: 'a service TD is a claim here (migratable), and a policy refuses it',
};
const SEPT_VE: Omit<Difference, 'every'> = {
  peer: /^refused: SEPT_VE_DISABLE is not enabled$/,
  ours: /^verified /,
  why: 'a TD that can be interrupted at will is a weakness among the claims here',
};
const MODULE: Omit<Difference, 'every'> = {
  peer: /^(verified OutOfDate|refused: No matching TCB level found$)/,
  ours: /^verified /,
  why: 'with a module version above 0 components 0 and 1 belong to the module identity (PCS API)',
};

const SHARED_BY_BOTH: readonly Difference[] = [
  {
    ...DEBUG,
    every: [
      /^sgx_trustee_occlum_quote_dat__eval17_2025-08-15$/,
      /^tdx_automata_dcap_attestation_solana_quote_sgx_bin__/,
      /^tdx_trustee_tdx_quote_4_dat__eval15_2023-06-18$/,
    ],
  },
  {
    every: [
      /^tdx_automata_dcap_attestation_solana_quote_tdx_bin__eval21_2026-06-12$/,
      /^tdx_go_tdx_guest_ccel_cos_113_tdx_quote_dat__eval21_2026-06-12$/,
    ],
    peer: /^verified /,
    ours: /^crl-not-yet-valid$/,
    why: 'a CRL that begins after the time to judge at is refused here',
  },
  { ...MODULE, every: [/^tdx_go_tdx_guest_ccel_cos_113_tdx_quote_dat__eval17/] },
];

const ALIBABA = /_alibaba_quote_5_dat__(eval17_2025-06-05|eval18_2026-02-01|eval18_2026-02-18)$/;
const AZURE = /^tdx_trustee_az_tdx_vtpm_td_quote_bin__eval17/;

const SHARED_BY_JAVASCRIPT: readonly Difference[] = [
  { ...SERVICE_TD, every: [ALIBABA] },
  { ...MODULE, every: [AZURE] },
  {
    every: [/__pck_crl_byte\.json$/],
    peer: /^verified UpToDate$/,
    ours: /^crl-signature-invalid$/,
    why: 'it does not check the signature of a PCK CRL',
  },
];

const SHARED_BY_WEBASSEMBLY: readonly Difference[] = [
  { ...SEPT_VE, every: [AZURE] },
  {
    every: [ALIBABA, /^tdx_go_tdx_guest_quote_v5_sample_dat__eval18_2026/],
    peer: /^refused: Failed to decode quote$/,
    ours: /^verified /,
    why: 'it reads quotes v3 and v4 only',
  },
  {
    every: [/__(qe_identity_byte|swapped_identity_sig)\.json$/],
    peer: /^verified UpToDate$/,
    ours: /^qe-identity-signature-invalid$/,
    why: 'it does not look at the QE identity',
  },
  {
    every: [/^tdx_dcap_qvl_(quote_from_tappd|tdx_quote)_hex__/, /^tdx_dstack_tdx_quote__/],
    peer: /^verified Unknown/,
    ours: /^tcb-level-unmatched$/,
    why: 'a platform below every TCB level is "Unknown" there',
  },
];

const MINTED_BY_JAVASCRIPT: readonly Difference[] = [
  { ...DEBUG, every: [/dcap debug(, zero padding)?$/] },
  {
    every: [/at level Revoked/],
    peer: /^refused: TCB status is invalid: Revoked$/,
    ours: /^verified Revoked /,
    why: 'a revoked TCB level is a claim here, and a policy refuses it',
  },
  {
    every: [/sgx-dcap v[45](, zero padding)?$/],
    peer: /^refused: SGX TEE quote must have version 3$/,
    ours: /^verified /,
    why: 'it reads SGX bodies in quotes v3 only',
  },
  {
    every: [/sgx-dcap (plain|old \w+), a trailing byte$/],
    peer: /^verified /,
    ours: /^evidence-trailing-bytes$/,
    why: 'it ignores whatever follows a quote',
  },
  {
    every: [/at level Configuration(AndSWHardening)?Needed with an old QE$/],
    peer: /^verified OutOfDate /,
    ours: /^verified OutOfDateConfigurationNeeded /,
    why: "an old quoting enclave does not undo that configuration is needed (Intel's library)",
  },
];

async function compare(peer: Peer, cases: readonly PeerCase[], list: readonly Difference[]) {
  const differences = new Differences(list);
  const parted: string[] = [];
  for (const c of cases) {
    const theirs = verdict(peer, c);
    const { outcome, claims } = await ours(c);
    const level = claims === undefined ? [] : [claims.tcb.status, ...claims.tcb.advisories];
    const mine = [outcome, ...level].join(' ');
    if (differences.explain(c.id, mine, theirs)) continue;
    if (claims === undefined ? theirs.startsWith('refused') : mine === theirs) continue;
    parted.push(`${c.id}: ours '${mine}', theirs '${theirs}'`);
  }
  expect(parted).toEqual([]);
  expect(differences.unmet).toEqual([]);
}

describe('@phala/dcap-qvl', () => {
  it.skipIf(!hasShared)('says the same of every shared case [skip: shared]', async () => {
    await compare(byJavaScript, await sharedDcap(), [...SHARED_BY_BOTH, ...SHARED_BY_JAVASCRIPT]);
  });

  it('says the same of minted quotes in their variants', async () => {
    // Other modules of TDX it sees otherwise (above), and hundreds of mutations are for the faster
    // peers (`npm run test:real go rust`).
    const tdx = minted('tdx-dcap').filter((c) => c.id.includes('module version 0'));
    const cases = [...minted('sgx-dcap'), ...tdx];
    const variants = cases.filter((c) => !/flipped at|cut to/.test(c.id));
    await compare(byJavaScript, variants, MINTED_BY_JAVASCRIPT);
  });
});

describe('@phala/dcap-qvl-web', () => {
  beforeAll(() => {
    const script = createRequire(import.meta.url).resolve('@phala/dcap-qvl-web');
    initSync({ module: readFileSync(script.replace(/\.js$/, '_bg.wasm')) });
  });

  it.skipIf(!hasShared)('says the same of every shared case [skip: shared]', async () => {
    await compare(byWebAssembly, await sharedDcap(), [...SHARED_BY_BOTH, ...SHARED_BY_WEBASSEMBLY]);
  });
});
