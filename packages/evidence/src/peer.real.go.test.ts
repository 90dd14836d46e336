// SPDX-License-Identifier: Apache-2.0
// Differential: TDX quotes judged by us and by go-tdx-guest, SEV-SNP reports by us and by
// go-sev-guest; shared cases, and minted ones with their mutations.
// docs/design/evidence-differences.md explains what is listed here.
//
// go-tdx-guest answers yes or no: it refuses every level that is not UpToDate, and says which.
// That is the verdict `level` below, and no difference.
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
  sharedSnp,
  sharedTdxQuotes,
} from '../testing/peer-cases.ts';
import { askPeer, type Difference, Differences, type PeerAnswer } from '../testing/peer-program.ts';
import { parseQuote } from './dcap/quote.ts';
import { parseSnpEvidence } from './sev-snp/parse.ts';
import { parseTdReport } from './tdx-dcap/parse.ts';
import type { Claims } from './types.ts';

const PROGRAM = process.env['CLOISTER_GO_PEER'] as string;
const LEVEL = /TCB Status is not "UpToDate", found "(\w+)"/;

const QUOTE_V5: Omit<Difference, 'every'> = {
  peer: /^refused: quote format not supported$/,
  ours: /^(verified|level \w+)$/,
  why: 'go-tdx-guest reads quotes v4 only',
};
const LATE_CRL: Omit<Difference, 'every'> = {
  peer: /^verified$/,
  ours: /^crl-not-yet-valid$/,
  why: 'a CRL that begins after the time to judge at is refused here',
};

const TDX_SHARED: readonly Difference[] = [
  {
    ...QUOTE_V5,
    every: [
      /^tdx_automata_.+_alibaba_quote_5_dat__(eval17_2025-06-05|eval18_2026-02-(01|18))$/,
      /^tdx_go_tdx_guest_quote_v5_sample_dat__(eval18_2026-02-01|eval18_2026-02-18)$/,
    ],
  },
  {
    every: [
      /^tdx_automata_dcap_attestation_solana_quote_tdx_bin__(eval17_2025-05-27|eval17_2025-10-19)$/,
      /^tdx_dcap_qvl_tdx_quote__(eval17_2025-06-19|eval20_2026-08-13)$/,
      /^tdx_dstack_quote_report_json__eval18_2026-02-18$/,
      /^tdx_go_tdx_guest_ccel_cos_113_tdx_quote_dat__(eval17_2025-05-27|eval17_2025-10-19)$/,
      /^tdx_trustee_az_tdx_vtpm_td_quote_bin__(eval17_2025-05-27|eval17_2025-10-19)$/,
      /^tdx_trustee_tdx_quote_6_dat__(eval17_2025-10-27|eval18_2026-02-26)$/,
    ],
    peer: /^refused: FMSPC from PCK Certificate\("(\w+)"\) is not equal to FMSPC value/,
    ours: /^(verified|level \w+)$/,
    why: 'go-tdx-guest compares FMSPCs as text, and Intel signs some in capitals',
  },
];

const TDX_ALONE: readonly Difference[] = [
  {
    ...QUOTE_V5,
    every: [
      /^tdx\/dcap-qvl\/tdx_quote_outdated$/,
      /^tdx\/go-tdx-guest\/quote_v5_sample\.dat$/,
      /^tdx\/automata-dcap-attestation\/evm\/quotes\/alibaba_quote_5\.(dat|hex)$/,
      /^tdx\/automata-dcap-attestation\/evm\/quotes\/tdx_quote_5\.dat$/,
      /^tdx\/automata-dcap-attestation\/samples\/quotev5\.dat$/,
      /^tdx\/trustee\/tdx_quote_5\.dat$/,
    ],
  },
  {
    every: [/^tdx\/go-tdx-guest\/tdx_prod_quote_SPR_E4\.dat$/],
    peer: /^verified$/,
    ours: /^evidence-trailing-bytes$/,
    why: 'go-tdx-guest ignores whatever follows a quote',
  },
];

const TDX_MINTED: readonly Difference[] = [
  { ...QUOTE_V5, every: [/tdx-dcap v5[^,]*(, (new|old) one running)?(, zero padding)?$/] },
  { ...LATE_CRL, every: [/at a time before its collateral$/] },
  {
    every: [/tdx-dcap (plain|debug|migratable|SEPT_VE not disabled|old \w+), a trailing byte$/],
    peer: /^(verified|level OutOfDate)$/,
    ours: /^evidence-trailing-bytes$/,
    why: 'go-tdx-guest ignores whatever follows a quote',
  },
  {
    some: [
      /flipped at (3[4-9]|4)\d{2,3}$/,
      /with tcb-info-issuer-chain flipped at/,
      /with qe-identity-issuer-chain flipped at/,
    ],
    peer: /^refused: .*root (ca )?cert/i,
    ours: /^verified$/,
    why: 'go-tdx-guest checks the signature and dates of the copy of the root in a chain',
  },
  {
    some: [/with pck-crl-issuer-chain flipped at/],
    peer: /^refused: unable to receive PCK CRL: could not (interpret|parse)/,
    ours: /^verified$/,
    why: 'the issuer of the PCK CRL is the CA in the quote; its copy in a bundle is not read here',
  },
];

const SNP_SHARED: readonly Difference[] = [
  {
    every: [/^snp\/extracted\/turin_v5_vcek_3f44a09b\.report\.bin$/],
    peer: /^refused: not an AMD KDS OID: 1\.3\.6\.1\.4\.1\.3704\.1\.3\.9$/,
    ours: /^verified$/,
    why: 'go-sev-guest does not know the FMC SVN of Turin',
  },
];

const SNP_MINTED: readonly Difference[] = [
  { ...LATE_CRL, every: [/at a time before its collateral$/] },
  {
    every: [/at a time after its collateral$/],
    peer: /^verified$/,
    ours: /^crl-expired$/,
    why: 'go-sev-guest does not look at the dates of a CRL that it has just fetched',
  },
  {
    every: [/, a trailing byte$/],
    peer: /^verified$/,
    ours: /^evidence-trailing-bytes$/,
    why: 'go-sev-guest ignores bytes of a certificate table that no entry names',
  },
];

function ask(cases: readonly PeerCase[]): PeerAnswer[] {
  return askPeer(PROGRAM, cases.map(question));
}

function question(c: PeerCase): object {
  const common = { evidence: toHex(c.bytes), at: c.at, roots: rootCertificates(c) };
  if (c.kind === 'tdx-dcap') {
    const alone = c.collateral === null && c.broken === undefined;
    return { ...common, kind: 'tdx', ...(alone ? {} : { tdx: bundleMembers(c) }) };
  }
  const { leaf, ask, asvk, crl } = c.collateral?.items ?? {};
  const hex = (bytes: Uint8Array | undefined) => toHex(bytes ?? new Uint8Array(0));
  const snp = { leaf: hex(leaf), ask: hex(ask ?? asvk), crl: hex(crl) };
  return { ...common, kind: 'snp', snp };
}

/** Our verdict as the modules would put it. */
function verdictOf(outcome: string, claims: Claims | undefined): string {
  if (claims === undefined || claims.kind !== 'tdx-dcap') return outcome;
  const { platformStatus, moduleStatus, qeStatus } = claims.extra;
  const parts = [moduleStatus, platformStatus, qeStatus].filter((part) => part !== 'none');
  // In the order in which go-tdx-guest looks: the first that is not current is the one it names.
  const found = parts.find((part) => part !== 'UpToDate');
  return found === undefined ? 'verified' : `level ${found}`;
}

function theirVerdict({ outcome, error }: PeerAnswer): string {
  const level = LEVEL.exec(error ?? '')?.[1];
  if (level !== undefined) return `level ${level}`;
  return outcome === 'verified' ? outcome : `${outcome}: ${error}`;
}

async function compare(cases: readonly PeerCase[], list: readonly Difference[]): Promise<void> {
  const differences = new Differences(list);
  const answers = ask(cases);
  const parted: string[] = [];
  let factsCompared = 0;
  for (const [i, c] of cases.entries()) {
    const answer = answers[i] as PeerAnswer;
    const { outcome, claims } = await ours(c);
    const mine = verdictOf(outcome, claims);
    const theirs = theirVerdict(answer);
    const alike = theirs === mine || (theirs.startsWith('refused') && !/^(ver|lev)/.test(mine));
    if (outcome === 'verified' && answer.facts !== undefined) {
      const own = c.kind === 'sev-snp' ? snpFacts(c) : tdxFacts(c, claims);
      expect({ ...answer.facts, ...own }, c.id).toEqual(answer.facts);
      factsCompared++;
    }
    if (differences.explain(c.id, mine, theirs) || alike) continue;
    parted.push(`${c.id}: ours '${mine}', theirs '${theirs}'`);
  }
  expect(parted).toEqual([]);
  expect(differences.unmet).toEqual([]);
  expect(factsCompared).toBeGreaterThanOrEqual(10);
}

/** The facts that go-tdx-guest reads from a quote, as we read them. */
function tdxFacts(c: PeerCase, claims: Claims | undefined): Record<string, unknown> {
  const report = parseTdReport(parseQuote(c.bytes).body);
  const fromClaims =
    claims === undefined
      ? {}
      : {
          ppid: toHex(claims.hardwareId.value),
          fmspc: claims.extra['fmspc'],
          pce: claims.tcb.svn['pce'],
        };
  return {
    debug: ((report.attributes[0] as number) & 1) === 1,
    mrtd: toHex(report.mrTd),
    mrconfigid: toHex(report.mrConfigId),
    mrowner: toHex(report.mrOwner),
    'report-data': toHex(report.reportData),
    'tee-tcb-svn': toHex(report.teeTcbSvn),
    ...Object.fromEntries(report.rtmrs.map((rtmr, i) => [`rtmr${i}`, toHex(rtmr)])),
    ...fromClaims,
  };
}

/** The facts that go-sev-guest reads from a report, as we read them. */
function snpFacts(c: PeerCase): Record<string, unknown> {
  const { report } = parseSnpEvidence(c.bytes);
  const policyBit = (n: bigint) => (report.policy & (1n << n)) !== 0n;
  return {
    version: report.version,
    guest: report.guestSvn,
    debug: policyBit(19n),
    migratable: policyBit(18n),
    smtAllowed: policyBit(16n),
    guestPolicy: `0x${report.policy.toString(16)}`,
    vmpl: report.vmpl,
    // A number there, so the other way round.
    'reported-tcb': toHex(report.reportedTcb.slice().reverse()),
    measurement: toHex(report.measurement),
    'report-data': toHex(report.reportData),
    'host-data': toHex(report.hostData),
    'chip-id': toHex(report.chipId),
    'id-key': toHex(report.idKeyDigest),
  };
}

describe('go-tdx-guest', () => {
  it.skipIf(!hasShared)('says the same of shared cases [skip: shared]', async () => {
    const cases = (await sharedDcap()).filter((c) => c.kind === 'tdx-dcap');
    expect(cases.length).toBeGreaterThan(60);
    await compare(cases, TDX_SHARED);
  });

  it.skipIf(!hasShared)('says the same of shared quotes by themselves [skip: shared]', async () => {
    await compare(sharedTdxQuotes(), TDX_ALONE);
  });

  it('says the same of minted quotes, their mutations and their collateral', async () => {
    await compare(minted('tdx-dcap'), TDX_MINTED);
  });
});

describe('go-sev-guest', () => {
  it.skipIf(!hasShared)('says the same of shared cases [skip: shared]', async () => {
    await compare(sharedSnp(), SNP_SHARED);
  });

  it('says the same of minted reports, their mutations and their collateral', async () => {
    await compare(minted('sev-snp'), SNP_MINTED);
  });
});
