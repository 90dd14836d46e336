// SPDX-License-Identifier: Apache-2.0
// Captured TPM quotes and Azure HCL reports: every shared case of kind tpm, the event log inside
// Google's attestations against the quoted registers, the shared event logs, and Azure's captures
// rebuilt into our envelope, whole and with parts exchanged.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { encodeCbor, fromHex, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { parseHcl } from '../azure-vtpm/parse.ts';
import { makeCollateral, parseCollateralJson } from '../collateral.ts';
import { isDataMeasured, parseEventLog, replayEventLog } from '../eventlog/parse.ts';
import { VENDOR_ROOTS } from '../roots/vendors.ts';
import type { Claims, Collateral, EvidenceKind } from '../types.ts';
import { verifyEvidence } from '../verify.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { parsePem } from '../x509/pem.ts';
import { ALG } from './constants.ts';
import { type PcrBanks, verifyTpmEventLog, verifyTpmQuote } from './quote.ts';
import { parseAttest, parseTpmPublic } from './structures.ts';

const SHARED = new URL('../../../../../shared/vectors/', import.meta.url);
const hasShared = existsSync(new URL('cases.json', SHARED));
const context = { crypto: nodeCrypto };

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, SHARED)));
}

function json(path: string) {
  return JSON.parse(readFileSync(new URL(path, SHARED), 'utf8'));
}

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function bank(alg: number, values: readonly Uint8Array[]): PcrBanks {
  return new Map([[alg, new Map(values.map((value, index) => [index, value]))]]);
}

/** Only the quoted registers: others may not be carried. */
function quotedOnly(attest: Uint8Array, pcrs: PcrBanks): PcrBanks {
  return new Map(
    parseAttest(attest).selections.map((s) => [
      s.bank,
      new Map(s.indexes.map((i) => [i, pcrs.get(s.bank)?.get(i) as Uint8Array])),
    ]),
  );
}

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return 'verified';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

/** Fields of a protobuf message: enough to open Google's attestations. */
function fields(bytes: Uint8Array): { field: number; value: number | Uint8Array }[] {
  const out: { field: number; value: number | Uint8Array }[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) out.push({ field: tag >> 3, value: varint() });
    else {
      const length = varint();
      out.push({ field: tag >> 3, value: bytes.subarray(at, at + length) });
      at += length;
    }
  }
  return out;
}

function messages(bytes: Uint8Array, field: number): Uint8Array[] {
  return fields(bytes)
    .filter((f) => f.field === field && typeof f.value !== 'number')
    .map((f) => f.value as Uint8Array);
}

function scalar(bytes: Uint8Array, field: number): number {
  return (fields(bytes).find((f) => f.field === field)?.value as number | undefined) ?? 0;
}

interface GceQuote {
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
  readonly pcrs: PcrBanks;
}

function gceAttestation(path: string): { ak: Uint8Array; quotes: GceQuote[]; log: Uint8Array } {
  const bytes = read(path);
  const quotes = messages(bytes, 2).map((message) => {
    const [attest] = messages(message, 1) as [Uint8Array];
    const [signature] = messages(message, 2) as [Uint8Array];
    const [list] = messages(message, 3) as [Uint8Array];
    const values = messages(list, 2).map((entry): [number, Uint8Array] => [
      scalar(entry, 1),
      messages(entry, 2)[0] as Uint8Array,
    ]);
    return { attest, signature, pcrs: new Map([[scalar(list, 1), new Map(values)]]) };
  });
  const [ak] = messages(bytes, 1) as [Uint8Array];
  return { ak: parseTpmPublic(ak).spki, quotes, log: messages(bytes, 3)[0] as Uint8Array };
}

const GCE: readonly [string, string][] = [
  ['tpm/go-tpm-tools/attestations/gce-cos-85-no-nonce.pb', ''],
  ['tpm/go-tpm-tools/attestations/gce-cos-85-nonce9009.pb', '9009'],
];
const TRUSTEE = 'tpm/trustee/tpm_evidence.json';
/** One quote beside two certificates, of which one is the key's: the record tells no outcome. */
const OPENEULER: readonly [string, string][] = [
  ['tpm/openeuler-gta/test_evidence.json', 'signature-invalid'],
  ['tpm/openeuler-gta/boot_test_evidence.json', 'verified'],
];

describe.skipIf(!hasShared)('quotes [skip: shared]', () => {
  it.each(GCE)('%s: three banks, and the log replays', async (path, nonce) => {
    const { ak, quotes, log } = gceAttestation(path);
    expect(quotes).toHaveLength(3);
    for (const { attest, signature, pcrs } of quotes) {
      const quote = await verifyTpmQuote(context, { attest, signature, pcrs }, ak);
      expect(toHex(quote.extraData)).toBe(nonce);
      const isSha1 = pcrs.has(ALG.sha1);
      const replayed = codeOf(() => verifyTpmEventLog(nodeCrypto, pcrs, log));
      expect(await replayed).toBe(isSha1 ? 'event-log-mismatch' : 'verified');
    }
  });

  it(TRUSTEE, async () => {
    const { ak_public: ak, tpm_quote: quote } = json(TRUSTEE);
    const attest = base64(quote.message);
    const signature = base64(quote.signature);
    const pcrs = bank(
      ALG.sha256,
      quote.pcrs.map((hex: string) => fromHex(hex)),
    );
    const verified = await verifyTpmQuote(context, { attest, signature, pcrs }, base64(ak));
    expect(verified).toMatchObject({ resetCount: 2, restartCount: 0, safe: true });
    const other = bank(
      ALG.sha256,
      quote.pcrs.map(() => new Uint8Array(32)),
    );
    const swapped = codeOf(() =>
      verifyTpmQuote(context, { attest, signature, pcrs: other }, base64(ak)),
    );
    expect(await swapped).toBe('binding-invalid');
    const wrong = signature.slice();
    wrong[20] = (wrong[20] as number) ^ 1;
    const forged = codeOf(() =>
      verifyTpmQuote(context, { attest, signature: wrong, pcrs }, base64(ak)),
    );
    expect(await forged).toBe('signature-invalid');
  });

  it.each(OPENEULER)(
    '%s: what is recorded, and what the key beside it says',
    async (path, outcome) => {
      const { quote, pcrs, ak_certs: certificates } = json(path).evidence;
      const attest = base64(quote.quote_data);
      const signature = base64(quote.signature);
      const parsed = parseAttest(attest);
      expect(toHex(parsed.extraData)).toBe('96362bf2f60d62b12b14718a7a22f8be');
      expect(parsed.selections).toEqual([{ bank: ALG.sha256, indexes: [0, 1, 2, 3, 4, 5, 6, 7] }]);
      const values = pcrs.pcr_values.map((p: { pcr_value: string }) => fromHex(p.pcr_value));
      expect(nodeCrypto.digest('sha256', ...values)).toEqual(parsed.pcrDigest);
      const { key } = parseCertificate(base64(certificates[0].cert_data));
      const given = { attest, signature, pcrs: bank(ALG.sha256, values) };
      const code = await codeOf(() => verifyTpmQuote(context, given, key.spki));
      expect(code).toBe(outcome);
    },
  );
});

describe.skipIf(!hasShared)('event logs [skip: shared]', () => {
  const folder = new URL('tpm/go-tpm-tools/eventlogs/', SHARED);
  const logs = hasShared ? readdirSync(folder).map((name) => [name]) : [];

  it.each(logs)('%s parses and replays', async (name) => {
    const bytes = read(`tpm/go-tpm-tools/eventlogs/${name}`);
    const code = await codeOf(() => {
      const log = parseEventLog(bytes);
      const registers = replayEventLog(nodeCrypto, log, 'sha256');
      expect(registers.size).toBeGreaterThan(5);
      expect(log.events.some((event) => isDataMeasured(nodeCrypto, event, 'sha256'))).toBe(true);
    });
    // One log is of the TCG 1.2 form, with SHA-1 only.
    expect(code).toBe(name === 'debian-10.bin' ? 'evidence-version-unsupported' : 'verified');
  });
});

interface AzureCapture {
  readonly hcl: Uint8Array;
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
  readonly values: readonly Uint8Array[];
  readonly proof: Uint8Array;
}

/** Captures come in two generations: lists of numbers, and text (hexadecimal, base64url). */
function azureCapture(path: string): AzureCapture {
  const file = json(path);
  const bytes = (value: string | number[]): Uint8Array => {
    if (typeof value !== 'string') return Uint8Array.from(value);
    return /^[0-9a-f]+$/.test(value)
      ? fromHex(value)
      : new Uint8Array(Buffer.from(value, 'base64url'));
  };
  const quote = file.tpm_quote ?? file.quote;
  const proof = file.td_quote ?? file.vcek;
  return {
    hcl: bytes(file.hcl_report ?? file.report),
    attest: bytes(quote.message),
    signature: bytes(quote.signature),
    values: quote.pcrs.map(bytes),
    proof:
      typeof proof === 'string' && proof.startsWith('-----')
        ? (parsePem(new TextEncoder().encode(proof))[0] as Uint8Array)
        : bytes(proof),
  };
}

/** Our envelope around a capture, whose signatures come bare. */
function envelope(capture: AzureCapture): Uint8Array {
  const { attest, signature } = capture;
  const pcrs = quotedOnly(attest, bank(ALG.sha256, capture.values));
  const head = Uint8Array.of(
    0,
    ALG.rsassa,
    0,
    ALG.sha256,
    signature.length >> 8,
    signature.length & 255,
  );
  return encodeCbor({
    v: 1,
    hcl: capture.hcl,
    attest,
    sig: new Uint8Array([...head, ...signature]),
    pcrs: [...pcrs].map(([alg, values]) => [alg, [...values].map(([i, v]) => [i, v])]),
    proof: capture.proof,
  });
}

function snpBundle(product: 'Milan' | 'Genoa'): Collateral {
  return makeCollateral('azure-snp-vtpm', { ask: read(`snp/extracted/ca/SEV-${product}.pem`) });
}

function tdxBundle(): Collateral {
  const bundle = 'bundles/tdx_trustee_az_tdx_vtpm_td_quote_bin__eval17_2025-07-07.json';
  return parseCollateralJson('azure-tdx-vtpm', read(bundle));
}

const AZURE_SNP = 'snp/trustee/az-snp-vtpm';
const AZURE_TDX = 'tdx/trustee/az-tdx-vtpm';
const AZURE: readonly [string, EvidenceKind, () => Collateral, string][] = [
  [`${AZURE_SNP}/evidence-v0.json`, 'azure-snp-vtpm', () => snpBundle('Milan'), '2025-03-01'],
  [`${AZURE_SNP}/evidence-v1.json`, 'azure-snp-vtpm', () => snpBundle('Milan'), '2025-03-01'],
  [`${AZURE_SNP}/evidence-v2.json`, 'azure-snp-vtpm', () => snpBundle('Milan'), '2025-03-01'],
  [`${AZURE_SNP}/evidence-genoa.json`, 'azure-snp-vtpm', () => snpBundle('Genoa'), '2025-03-01'],
  [`${AZURE_TDX}/evidence-v0.json`, 'azure-tdx-vtpm', tdxBundle, '2025-07-22T09:13:34Z'],
  [`${AZURE_TDX}/evidence-v1.json`, 'azure-tdx-vtpm', tdxBundle, '2025-07-22T09:13:34Z'],
];

describe.skipIf(!hasShared)('Azure captures [skip: shared]', () => {
  function judge(kind: EvidenceKind, bytes: Uint8Array, collateral: Collateral, at: string) {
    const options = { crypto: nodeCrypto, roots: VENDOR_ROOTS, collateral, at: Date.parse(at) };
    return verifyEvidence({ kind, bytes }, options);
  }

  it.each(AZURE)('%s', async (path, kind, collateral, at) => {
    const capture = azureCapture(path);
    const claims: Claims = await judge(kind, envelope(capture), collateral(), at);
    expect(claims).toMatchObject({ kind, trust: 'hardware', alsoFamilies: ['microsoft'] });
    expect(claims.measurement).toHaveLength(32);
    expect(claims.reportData).toEqual(parseAttest(capture.attest).extraData);
    expect(claims.weaknesses).toContain('paravisor');
  });

  it('refuses a quote of another VM, and runtime data the hardware does not name', async () => {
    const [path, kind, collateral, at] = AZURE[1] as (typeof AZURE)[0];
    const mine = azureCapture(path);
    const other = azureCapture((AZURE[2] as (typeof AZURE)[0])[0]);
    const { attest, signature, values } = other;
    const swapped = envelope({ ...mine, attest, signature, values });
    expect(await codeOf(() => judge(kind, swapped, collateral(), at))).toBe('signature-invalid');
    const hcl = mine.hcl.slice();
    const { runtimeData } = parseHcl(hcl);
    const at0 = Buffer.from(hcl).indexOf(Buffer.from(runtimeData));
    const name = Buffer.from(hcl).indexOf('vmUniqueId', at0);
    hcl[name + 14] = (hcl[name + 14] as number) === 0x41 ? 0x42 : 0x41;
    const changed = envelope({ ...mine, hcl });
    expect(await codeOf(() => judge(kind, changed, collateral(), at))).toBe('binding-invalid');
    expect(await codeOf(() => judge(kind, envelope(other), collateral(), at))).toBe('verified');
  });
});

it.skipIf(!hasShared)('every shared case of kind tpm is among these [skip: shared]', () => {
  const all: { kind: string; id: string }[] = json('cases.json').cases;
  const here = [...[...GCE, ...OPENEULER, ...AZURE].map(([path]) => path), TRUSTEE];
  const wanted = all.filter((c) => c.kind === 'tpm').map((c) => c.id);
  expect(here.sort()).toEqual(wanted.sort());
});
