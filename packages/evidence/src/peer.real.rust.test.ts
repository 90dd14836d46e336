// SPDX-License-Identifier: Apache-2.0
// Differential: DCAP cases judged by us and by the Rust crate dcap-qvl, shared ones and minted ones
// with their mutations. docs/design/evidence-differences.md explains what is listed here.
import { toHex } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { hasShared } from '../testing/cases.ts';
import {
  bundleMembers,
  minted,
  ours,
  type PeerCase,
  rootCertificates,
  sharedDcap,
} from '../testing/peer-cases.ts';
import { askPeer, type Difference, Differences, type PeerAnswer } from '../testing/peer-program.ts';

const PROGRAM = process.env['CLOISTER_RUST_PEER'] as string;

const SEPT_VE: Omit<Difference, 'every'> = {
  peer: /^refused: SEPT_VE_DISABLE is not enabled$/,
  ours: /^verified /,
  why: 'a TD that can be interrupted at will is a weakness among the claims here',
};

const SHARED: readonly Difference[] = [
  {
    every: [
      /^sgx_integritee_ra_dcap_dump_quote_ra__eval12_2022-11-17$/,
      /^tdx_automata_dcap_attestation_solana_quote_tdx_bin__eval21_2026-06-12$/,
      /^tdx_go_tdx_guest_ccel_cos_113_tdx_quote_dat__eval21_2026-06-12$/,
    ],
    peer: /^verified /,
    ours: /^crl-not-yet-valid$/,
    why: 'a CRL that begins after the time to judge at is refused here',
  },
  { ...SEPT_VE, every: [/^tdx_trustee_az_tdx_vtpm_td_quote_bin__eval17/] },
];

const MINTED: readonly Difference[] = [
  { ...SEPT_VE, every: [/SEPT_VE not disabled(, zero padding)?$/] },
  {
    every: [/tdx-dcap migratable(, zero padding)?$/],
    peer: /^refused: TD migration is enabled$/,
    ours: /^verified /,
    why: 'that a TD may migrate is a claim here, and a policy refuses it',
  },
  {
    every: [/at level Revoked/],
    peer: /^refused: TCB status is invalid: Revoked$/,
    ours: /^verified Revoked$/,
    why: 'a revoked TCB level is a claim here, and a policy refuses it',
  },
  {
    every: [/sgx-dcap v[45](, zero padding)?$/],
    peer: /^refused: SGX TEE quote must have version 3$/,
    ours: /^verified /,
    why: 'the crate reads SGX bodies in quotes v3 only',
  },
  {
    // The v4 and v5 of SGX and the specimens that neither accepts are refused for other reasons.
    some: [/sgx-dcap .*, a trailing byte$/, /tdx-dcap .*, a trailing byte$/],
    peer: /^verified /,
    ours: /^evidence-trailing-bytes$/,
    why: 'the crate ignores whatever follows a quote',
  },
  {
    some: [
      /flipped at 3\d{3}$/,
      /with tcb-info-issuer-chain flipped at/,
      /with qe-identity-issuer-chain flipped at/,
    ],
    peer: /^verified /,
    ours: /^(der-malformed|certificate-malformed|certificate-unsupported|root-untrusted)$/,
    why: 'the crate does not read the copy of the root that ends a chain',
  },
];

function ask(cases: readonly PeerCase[]): PeerAnswer[] {
  return askPeer(
    PROGRAM,
    cases.map((c) => ({
      root: rootCertificates(c)[0],
      quote: toHex(c.bytes),
      collateral: bundleMembers(c),
      at: Math.floor(c.at / 1000),
    })),
  );
}

async function compare(cases: readonly PeerCase[], differences: Differences): Promise<void> {
  const answers = ask(cases);
  const parted: string[] = [];
  for (const [i, c] of cases.entries()) {
    const answer = answers[i] as PeerAnswer;
    const { outcome, claims } = await ours(c);
    const verdict = claims === undefined ? outcome : `verified ${claims.tcb.status}`;
    const theirs =
      answer.outcome === 'verified'
        ? `verified ${answer['status']}`
        : `${answer.outcome}: ${answer.error}`;
    if (differences.explain(c.id, verdict, theirs)) continue;
    const alike = claims === undefined ? answer.outcome === 'refused' : verdict === theirs;
    if (!alike) parted.push(`${c.id}: ours '${verdict}', theirs '${theirs}'`);
    if (!alike || claims === undefined) continue;
    const { measurements, extra } = claims;
    expect([...(answer['advisories'] as string[])].sort(), c.id).toEqual(claims.tcb.advisories);
    // Of a TD it is already merged with the TDX module's.
    if (c.kind === 'sgx-dcap') {
      expect(answer['platformStatus'], c.id).toBe(extra['platformStatus']);
    }
    expect(answer['qeStatus'], c.id).toBe(extra['qeStatus']);
    expect(answer['ppid'], c.id).toBe(toHex(claims.hardwareId.value));
    const facts = Object.entries(answer['measurements'] as Record<string, string>);
    for (const [name, value] of facts) {
      const own = name === 'report-data' ? claims.reportData : measurements[name];
      expect(toHex(own as Uint8Array), `${c.id} ${name}`).toBe(value);
    }
  }
  expect(parted).toEqual([]);
  expect(differences.unmet).toEqual([]);
}

describe('the Rust crate dcap-qvl', () => {
  it.skipIf(!hasShared)('says the same of every shared case [skip: shared]', async () => {
    const cases = await sharedDcap();
    expect(cases.length).toBeGreaterThan(80);
    await compare(cases, new Differences(SHARED));
  });

  it('says the same of minted quotes, their mutations and their collateral', async () => {
    await compare([...minted('sgx-dcap'), ...minted('tdx-dcap')], new Differences(MINTED));
  });
});
