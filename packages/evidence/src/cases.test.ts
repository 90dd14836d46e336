// SPDX-License-Identifier: Apache-2.0
// Every shared case of the kinds that this package verifies: evidence, collateral and time as
// recorded, and the recorded outcome. Where we differ on purpose, the case is listed here by id
// with our code, and in docs/design/evidence-differences.md with the reason; a listed case that
// comes out as recorded fails too.
import { CodedError, fromHex, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import {
  type Case,
  cases,
  codeOf,
  hasShared,
  quoteBytes,
  read,
  teeOf,
  text,
} from '../testing/cases.ts';
import { EvidenceCache } from './cache.ts';
import { makeCollateral, parseCollateralJson } from './collateral.ts';
import { parseQuote, parseSgxReport } from './dcap/quote.ts';
import { verifyQuoteSignatures } from './dcap/verify.ts';
import { opteeOutputHolds } from './op-tee/verify.ts';
import { VENDOR_ROOTS } from './roots/vendors.ts';
import { verifyCcel } from './tdx-dcap/ccel.ts';
import { parseTdReport } from './tdx-dcap/parse.ts';
import type { Claims, EvidenceKind } from './types.ts';
import { verifyEvidence } from './verify.ts';

const options = { crypto: nodeCrypto, roots: VENDOR_ROOTS, cache: new EvidenceCache() };
const DAY = 86_400_000;

/** Cases whose recorded outcome we do not follow, with the code that we refuse them by. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'sgx_integritee_ra_dcap_dump_quote_ra__eval12_2022-11-17': 'crl-not-yet-valid',
  'tdx_automata_dcap_attestation_solana_quote_tdx_bin__eval21_2026-06-12': 'crl-not-yet-valid',
  'tdx_go_tdx_guest_ccel_cos_113_tdx_quote_dat__eval21_2026-06-12': 'crl-not-yet-valid',
  'tdx_trustee_az_tdx_vtpm_td_quote_bin__eval21_2026-06-12': 'crl-not-yet-valid',
  'tdx/go-tdx-guest/tdx_prod_quote_SPR_E4.dat': 'evidence-trailing-bytes',
};

/** Cases that nothing here runs, with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'optee/synthetic/veraison_pta_evidence_good.cbor': 'a PSA token, and there is no verifier of it',
  'optee/synthetic/veraison_pta_evidence_neg_sig.cbor': 'the same',
};

/** Kinds of cases that other work verifies. */
const NOT_OURS = ['kunpeng', 'keystone', 'psa-cca', 'psa', 'cca', 'ias', 'virtcca'];

/** The code that each recorded reason must come out as. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  'a certificate is not yet valid at this time': ['certificate-not-yet-valid'],
  'no TCB level matches': ['tcb-level-unmatched', 'evidence-trailing-bytes'],
  'measurement altered': ['signature-invalid'],
  'reportdata altered': ['signature-invalid'],
  'debug_attr altered': ['signature-invalid'],
  'isv_sig altered': ['signature-invalid'],
  'attestation_key altered': ['qe-binding-invalid'],
  'qe_auth altered': ['qe-binding-invalid'],
  'qe_report altered': ['qe-report-signature-invalid'],
  'qe_sig altered': ['qe-report-signature-invalid'],
  'header_qe_vendor altered': ['evidence-field-invalid'],
  'header_version altered': ['evidence-version-unsupported', 'evidence-malformed'],
  truncated: ['evidence-malformed'],
  pck_cert_byte: ['der-malformed', 'certificate-signature-invalid'],
  tcb_info_byte: ['tcb-info-malformed'],
  qe_identity_byte: ['qe-identity-signature-invalid'],
  swapped_identity_sig: ['qe-identity-signature-invalid'],
  tcb_sig: ['tcb-info-signature-invalid'],
  pck_crl_byte: ['crl-signature-invalid'],
  expired: ['crl-expired'],
  not_yet_valid: ['crl-not-yet-valid'],
  length: ['evidence-malformed'],
  'measurement bit flipped': ['signature-invalid'],
  'report_data bit flipped': ['signature-invalid'],
  'policy byte flipped (debug bit region)': ['signature-invalid'],
  'signature r flipped': ['signature-invalid'],
  'signature s flipped': ['signature-invalid'],
  'chip_id flipped': ['hardware-id-mismatch', 'signature-invalid'],
  'reported_tcb flipped': ['tcb-mismatch'],
};

function of(...kinds: string[]): [string, Case][] {
  return cases
    .filter((c) => kinds.includes(c.kind) && LEFT_OUT[c.id] === undefined)
    .map((c) => [c.id, c]);
}

const DCAP = of('sgx', 'tdx', 'dcap');
const DCAP_JUDGED = DCAP.filter(([, c]) => c.collateralBundle !== undefined);
const DCAP_ALONE = DCAP.filter(([, c]) => c.collateralBundle === undefined);
const SNP = of('snp');
const OPTEE = of('optee');
const NITRO = of('nitro');
const NITRO_IN_FILE = of('nitro-in-file');

/** Compares an outcome with the recorded one, its reason, and our list of exceptions. */
function expectOutcome(c: Case, code: string): void {
  const exception = EXCEPTIONS[c.id];
  if (exception !== undefined) {
    expect(code).toBe(exception);
    return;
  }
  if (c.expect === 'refused') expect(REASONS[c.because as string]).toContain(code);
  else expect(code).toBe('verified');
}

describe.skipIf(!hasShared)('DCAP quotes with collateral [skip: shared]', () => {
  it.each(DCAP_JUDGED)('%s', async (_id, c) => {
    const tee = teeOf(c);
    const bytes = quoteBytes(c.evidence, tee);
    const kind: EvidenceKind = bytes[4] === 0x81 ? 'tdx-dcap' : 'sgx-dcap';
    let claims: Claims | undefined;
    const code = await codeOf(async () => {
      const collateral = parseCollateralJson(kind, read(c.collateralBundle as string));
      const at = Date.parse(c.at as string);
      claims = await verifyEvidence({ kind, bytes }, { ...options, collateral, at });
    });
    expectOutcome(c, code);
    if (claims === undefined) return;
    expect(claims.trust).toBe('hardware');
    expect(claims.debug).toBe(c.flag === 'debug');
    expect(claims.weaknesses.includes('sept-ve-enabled')).toBe(c.flag === 'sept_ve_disable is off');
    expect(claims.migratable).toBe(c.flag === 'service TD is not zero');
    expect(claims.tcb.status).toBe(c.peerStatus ?? claims.tcb.status);
    expect(claims.extra['platformStatus']).toBe(c.tcb?.platform);
    expect(claims.extra['qeStatus']).toBe(c.tcb?.qe_tcb);
    expect(claims.tcb.advisories).toEqual([...(c.tcb?.advisories ?? [])].sort());
    // One file holds an SGX and a TDX quote; the record describes the latter only.
    if (c.claims?.['tee'] === tee) expectMeasurements(c, claims);
  });
});

function expectMeasurements(c: Case, claims: Claims): void {
  const { mrenclave, mrsigner, mrtd, rtmr, report_data: reportData } = c.claims ?? {};
  const hex = (name: string) => toHex(claims.measurements[name] ?? new Uint8Array(0));
  if (typeof mrenclave === 'string') expect(hex('mrenclave')).toBe(mrenclave);
  if (typeof mrsigner === 'string') expect(hex('mrsigner')).toBe(mrsigner);
  if (typeof mrtd === 'string') expect(hex('mrtd')).toBe(mrtd);
  if (Array.isArray(rtmr)) expect([0, 1, 2, 3].map((i) => hex(`rtmr${i}`))).toEqual(rtmr);
  expect(toHex(claims.reportData)).toBe(reportData);
}

describe.skipIf(!hasShared)('DCAP quotes by themselves [skip: shared]', () => {
  /** A day after the PCK certificate began. */
  function timeOf(c: Case): number {
    const origin = c.from === undefined ? c : cases.find((other) => other.id === c.from);
    const validity = origin?.claims?.['pck_validity'] as string[] | undefined;
    const begin = validity?.[0]?.replace(' ', 'T') ?? '2025-06-15T00:00:00Z';
    return Date.parse(begin) + DAY;
  }

  it.each(DCAP_ALONE)('%s', async (_id, c) => {
    const bytes = quoteBytes(c.evidence, c.claims?.['tee']);
    const code = await codeOf(() =>
      verifyQuoteSignatures(parseQuote(bytes), { ...options, at: timeOf(c) }),
    );
    if (c.expect.includes('no PCK chain inside')) {
      expect(code).toBe('evidence-cert-type-unsupported');
      return;
    }
    expectOutcome(c, code);
    if (code !== 'verified') return;
    const quote = parseQuote(bytes);
    expect(quote.version).toBe(c.claims?.['quote_version']);
    const { reportData } =
      quote.bodyType === 'sgx' ? parseSgxReport(quote.body) : parseTdReport(quote.body);
    expect(toHex(reportData)).toBe(c.claims?.['report_data']);
  });
});

describe.skipIf(!hasShared)('SEV-SNP reports [skip: shared]', () => {
  it.each(SNP)('%s', async (_id, c) => {
    let claims: Claims | undefined;
    const code = await codeOf(async () => {
      const files = c.collateral;
      const collateral =
        files === undefined
          ? null
          : makeCollateral('sev-snp', {
              [files.ask.includes('VLEK') ? 'asvk' : 'ask']: read(files.ask),
              leaf: read(files.leaf),
            });
      const evidence = { kind: 'sev-snp' as const, bytes: read(c.evidence) };
      const at = Date.parse(c.at ?? '2025-01-01T00:00:00Z');
      claims = await verifyEvidence(evidence, { ...options, collateral, at });
    });
    expectOutcome(c, code);
    if (claims === undefined) return;
    const wanted = c.claims ?? {};
    expect(claims.debug).toBe(wanted['debug_policy']);
    expect(claims.extra['vmpl']).toBe(wanted['vmpl']);
    expect(claims.extra['guestPolicy']).toBe(wanted['policy']);
    expect(toHex(claims.measurement)).toBe(wanted['measurement']);
    expect(toHex(claims.reportData)).toBe(wanted['report_data']);
    expect(toHex(claims.measurements['host-data'] as Uint8Array)).toBe(wanted['host_data']);
    if (claims.hardwareId.type === 'chip-id') {
      expect(toHex(claims.hardwareId.value)).toBe(wanted['chip_id']);
    } else expect(wanted['chip_id']).toMatch(/^0+$/);
    const svn = claims.tcb.svn;
    const tcb = fromHex(wanted['reported_tcb'] as string);
    expect(svn['microcode']).toBe(tcb[7]);
    expect(svn['bootloader']).toBe(tcb[claims.extra['product'] === 'Turin' ? 1 : 0]);
  });
});

describe.skipIf(!hasShared)('OP-TEE outputs of the attestation PTA [skip: shared]', () => {
  const inputs = hasShared ? JSON.parse(text('optee/synthetic/pubkey_and_inputs.json')) : {};

  it.each(OPTEE)('%s', async (_id, c) => {
    const pem = text('optee/synthetic/pubkey.pem').replace(/-----[A-Z ]+-----|\s/g, '');
    const spki = new Uint8Array(Buffer.from(pem, 'base64'));
    const nonce = fromHex(inputs.nonce as string);
    const holds = await opteeOutputHolds({ crypto: nodeCrypto }, spki, nonce, read(c.evidence));
    expect(holds).toBe(c.expect === 'verified');
  });
});

describe.skipIf(!hasShared)('Nitro documents [skip: shared]', () => {
  /** Files hold the document raw, in base64, or inside a certificate; each begins alike. */
  function documentBytes(path: string): Uint8Array {
    const raw = read(path);
    const bytes = raw[0] === 0x68 ? new Uint8Array(Buffer.from(text(path), 'base64')) : raw;
    return bytes;
  }

  it.each(NITRO)('%s', async (_id, c) => {
    const evidence = { kind: 'nitro' as const, bytes: documentBytes(c.evidence) };
    const at = Number(/(\d{13})_/.exec(c.evidence)?.[1]);
    const claims = await verifyEvidence(evidence, { ...options, collateral: null, at });
    expect(claims.debug).toBe(c.claims?.['debug_mode']);
    expect(toHex(claims.measurement)).toBe(c.claims?.['pcr0']);
    expect(claims.extra['moduleId']).toBe(c.claims?.['module_id']);
    expect(Math.floor(at / 1000)).toBe(Date.parse(c.at as string) / 1000);
    const late = codeOf(() =>
      verifyEvidence(evidence, { ...options, collateral: null, at: at + DAY }),
    );
    expect(await late).toBe('certificate-expired');
  });
});

describe.skipIf(!hasShared)('Nitro documents in other files [skip: shared]', () => {
  /** Raw, after a short header, in base64, or in hexadecimal inside a certificate. */
  function embedded(path: string, size: number): Uint8Array {
    const raw = Buffer.from(read(path));
    const head = Buffer.from('8444a1013822', 'hex');
    const at = raw.indexOf(head);
    if (at !== -1) return new Uint8Array(raw.subarray(at, at + size));
    const hex = raw.indexOf(head.toString('hex'));
    if (hex !== -1) return fromHex(raw.subarray(hex, hex + 2 * size).toString('latin1'));
    return new Uint8Array(Buffer.from(raw.toString('latin1'), 'base64')).subarray(0, size);
  }

  it.each(NITRO_IN_FILE)('%s', async (_id, c) => {
    const bytes = embedded(c.evidence, c.claims?.['size'] as number);
    expect(toHex(nodeCrypto.digest('sha256', bytes))).toBe(c.claims?.['sha256']);
    const at = c.claims?.['timestamp'] as number;
    const judging = { ...options, collateral: null, at };
    const claims = await verifyEvidence({ kind: 'nitro', bytes }, judging);
    expect(claims.debug).toBe(c.claims?.['debug']);
    expect(toHex(claims.measurement)).toBe(c.claims?.['pcr0']);
    expect(claims.extra['pcrs']).toBe(c.claims?.['npcrs']);
    const { nonce } = claims.measurements;
    // The record keeps the first 32 bytes of each.
    const start = (bytes: Uint8Array) => toHex(bytes.subarray(0, 32));
    expect(start(nonce ?? new Uint8Array(0))).toBe(c.claims?.['nonce']);
    expect(start(claims.reportData)).toBe(c.claims?.['user_data']);
  });
});

describe.skipIf(!hasShared)('TDX event logs [skip: shared]', () => {
  it('replay to the RTMRs of the quote beside them', () => {
    const quote = parseQuote(read('tdx/go-tdx-guest/ccel/cos-113-tdx-quote.dat'));
    const { rtmrs } = parseTdReport(quote.body);
    const measurements = Object.fromEntries(rtmrs.map((r, i) => [`rtmr${i}`, r]));
    const ccel = read('tdx/go-tdx-guest/ccel/ccel_data.dat');
    const events = verifyCcel(nodeCrypto, { measurements }, ccel);
    expect(events.length).toBeGreaterThan(20);
    const digest = Buffer.from(events[5]?.digests.get(12) as Uint8Array);
    const changed = ccel.slice();
    const at = Buffer.from(ccel).indexOf(digest);
    changed[at] = (changed[at] as number) ^ 1;
    expect(() => verifyCcel(nodeCrypto, { measurements }, changed)).toThrow(CodedError);
    expect(() => verifyCcel(nodeCrypto, { measurements: {} }, ccel)).toThrow(CodedError);
  });
});

describe.skipIf(!hasShared)('the lists above [skip: shared]', () => {
  it('name cases that exist', () => {
    const ids = new Set(cases.map((c) => c.id));
    const named = [...Object.keys(EXCEPTIONS), ...Object.keys(LEFT_OUT)];
    expect(named.filter((id) => !ids.has(id))).toEqual([]);
  });

  it('leave nothing out: a shared case is run, named as left out, or of no kind of ours', () => {
    const run = [DCAP_JUDGED, DCAP_ALONE, SNP, OPTEE, NITRO, NITRO_IN_FILE].flat();
    const known = new Set([...run.map(([id]) => id), ...Object.keys(LEFT_OUT)]);
    // tpm2/vectors.test.ts runs those of kind tpm, and checks that it runs all.
    const elsewhere = ['tpm', ...NOT_OURS];
    const missing = cases.filter((c) => !known.has(c.id) && !elsewhere.includes(c.kind));
    expect(missing.map((c) => c.id)).toEqual([]);
    expect(new Set(run.map(([id]) => id)).size).toBe(run.length);
  });
});
