// SPDX-License-Identifier: Apache-2.0
// A fuzz target a parser, run a fixed count from a fixed seed: noise, and real input with pieces
// cut out, doubled, flipped and overwritten. A parser answers with a value or a CodedError.
import { isCoded, toBase64, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAzure, parseHcl } from './azure-vtpm/parse.ts';
import { decodeCollateral, encodeCollateral, parseCollateralJson } from './collateral.ts';
import { dcapBundleJson } from './dcap/collateral.ts';
import { parsePckInfo } from './dcap/pck.ts';
import { parseQuote, parseSgxReport } from './dcap/quote.ts';
import { parseEnclaveIdentity, parseTcbInfo } from './dcap/tcb-info.ts';
import { detectKind } from './detect.ts';
import { parseEarClaims } from './ear/ear.ts';
import { parseEventLog, replayEventLog } from './eventlog/parse.ts';
import { inspectEvidence } from './inspect.ts';
import { parseJson } from './json.ts';
import {
  akPublic,
  createDevelopmentRoot,
  decodeDevelopmentRoot,
  encodeDevelopmentRoot,
  mintCollateral,
  mintEvidence,
  mintTpmQuote,
} from './minting.ts';
import { parseNitro } from './nitro/parse.ts';
import { parseOptee } from './op-tee/parse.ts';
import { openPolicy, parsePolicy } from './policy.ts';
import { decodeRoot, encodeRoot } from './roots/encode.ts';
import { parseSnpEvidence } from './sev-snp/parse.ts';
import { parseTdReport } from './tdx-dcap/parse.ts';
import { decodeEvidenceFile } from './text-form.ts';
import { parseTpmEvidence } from './tpm2/parse.ts';
import { parseAttest, parseTpmPublic, parseTpmSignature } from './tpm2/structures.ts';
import { type EvidenceKind, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH } from './types.ts';
import { collateralFromFiles } from './vendor-files.ts';
import { parseCertificate } from './x509/certificate.ts';
import { parseCrl } from './x509/crl.ts';
import { parsePem } from './x509/pem.ts';

const RUNS = 400;
const AT = Date.UTC(2026, 0, 15);
const SEED = new Uint8Array(32).fill(7);

function minted(kind: EvidenceKind): Uint8Array {
  return mintEvidence({
    root: createDevelopmentRoot(kind, { seed: SEED }),
    measurement: new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(1),
    reportData: new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(2),
    at: AT,
  }).bytes;
}

/** A small crypto-agile log of one bank and three events. */
function eventLog(): Uint8Array {
  const u32 = (n: number) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];
  const specId = [
    ...utf8('Spec ID Event03'),
    0,
    0,
    0,
    0,
    0,
    0,
    2,
    0,
    2,
    ...u32(1),
    11,
    0,
    32,
    0,
    0,
  ];
  const head = [...u32(0), ...u32(3), ...new Uint8Array(20), ...u32(specId.length), ...specId];
  const event = (index: number, type: number) => [
    ...u32(index),
    ...u32(type),
    ...u32(1),
    11,
    0,
    ...new Uint8Array(32).fill(index + 1),
    ...u32(4),
    1,
    2,
    3,
    4,
  ];
  const padding = new Uint8Array(64);
  return Uint8Array.from([...head, ...event(0, 1), ...event(1, 4), ...event(0, 13), ...padding]);
}

const sgxRoot = createDevelopmentRoot('sgx-dcap', { seed: SEED });
const collateral = mintCollateral(sgxRoot, { at: AT });
const quote = mintTpmQuote(
  createDevelopmentRoot('tpm2', { seed: SEED }).keys['ak'] as Uint8Array,
  new Uint8Array(32),
  new Uint8Array(32),
);

const [pck] = parsePem(parseQuote(minted('sgx-dcap')).certificates) as [Uint8Array];
const bundle = utf8(dcapBundleJson(collateral.items));
const ear = utf8(
  JSON.stringify({
    eat_profile: 'tag:github.com,2023:veraison/ear',
    iat: AT / 1000,
    'ear.verifier-id': { developer: 'cloister', build: '0.1.0' },
    submods: {
      worker: {
        'ear.status': 'affirming',
        'ear.trustworthiness-vector': { executables: 2, hardware: 2 },
        'ear.appraisal-policy-id': 'policy-1',
      },
    },
  }),
);

const targets: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['SGX quotes', minted('sgx-dcap'), parseQuote],
  ['TDX quotes', minted('tdx-dcap'), parseQuote],
  ['SNP evidence', minted('sev-snp'), parseSnpEvidence],
  ['Azure evidence', minted('azure-snp-vtpm'), parseAzure],
  ['HCL reports', parseAzure(minted('azure-tdx-vtpm')).hcl, parseHcl],
  ['TPM evidence', minted('tpm2'), parseTpmEvidence],
  ['TPMS_ATTEST', quote.attest, parseAttest],
  ['TPMT_SIGNATURE', quote.signature, parseTpmSignature],
  [
    'TPMT_PUBLIC',
    akPublic(createDevelopmentRoot('tpm2', { seed: SEED }).keys['ak'] as Uint8Array),
    parseTpmPublic,
  ],
  ['Nitro documents', minted('nitro'), parseNitro],
  ['OP-TEE evidence', minted('op-tee'), parseOptee],
  ['event logs', eventLog(), (b) => replayEventLog(nodeCrypto, parseEventLog(b), 'sha256')],
  ['TCB info', collateral.items['tcb-info'] as Uint8Array, parseTcbInfo],
  ['QE identities', collateral.items['qe-identity'] as Uint8Array, parseEnclaveIdentity],
  ['PEM', collateral.items['pck-crl-issuer-chain'] as Uint8Array, (b) => parsePem(b)],
  ['certificates', pck, parseCertificate],
  ['PCK extensions', pck, (b) => parsePckInfo(parseCertificate(b))],
  ['CRLs', collateral.items['pck-crl'] as Uint8Array, parseCrl],
  ['SGX reports', parseQuote(minted('sgx-dcap')).body, parseSgxReport],
  ['TD reports', parseQuote(minted('tdx-dcap')).body, parseTdReport],
  ['PCS bundles', bundle, (b) => parseCollateralJson('sgx-dcap', b)],
  ['vendor files', bundle, (b) => collateralFromFiles([{ name: 'bundle.json', bytes: b }])],
  ['evidence files', utf8(toBase64(minted('nitro'))), decodeEvidenceFile],
  ['EAR claims', ear, (b) => parseEarClaims(parseJson(b, 'ear-malformed'))],
  [
    'evidence to inspect',
    minted('tdx-dcap'),
    (b) => inspectEvidence({ kind: 'tdx-dcap', bytes: b }),
  ],
  ['collateral bundles', encodeCollateral(collateral), decodeCollateral],
  ['roots', encodeRoot(sgxRoot.root), decodeRoot],
  ['development roots', encodeDevelopmentRoot(sgxRoot), decodeDevelopmentRoot],
  ['policies', utf8(JSON.stringify(openPolicy())), parsePolicy],
  ['JSON', utf8('{"a":[1,{"b":"\\u0041"}],"c":null}'), (b) => parseJson(b, 'policy-malformed')],
  ['unknown evidence', minted('tpm2'), detectKind],
];

type Edit = (bytes: Uint8Array) => Uint8Array;

/** Cuts, doubles, flips or overwrites a piece of its input. */
const edit: fc.Arbitrary<Edit> = fc
  .tuple(
    fc.constantFrom('cut', 'double', 'overwrite', 'flip'),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 64 }),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  )
  .map(([how, where, length, noise]) => (bytes) => {
    const at = Math.floor(where * Math.max(0, bytes.length - 1));
    const [head, piece, tail] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + length),
      bytes.subarray(at + length),
    ];
    if (how === 'cut') return Uint8Array.from([...head, ...tail]);
    if (how === 'double') return Uint8Array.from([...head, ...piece, ...piece, ...tail]);
    const out = bytes.slice();
    if (how === 'overwrite') out.set(noise.subarray(0, bytes.length - at), at);
    else if (out.length > 0) out[at] = (out[at] as number) ^ (1 << (length % 8));
    return out;
  });

function survives(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    parse(bytes);
  } catch (error) {
    if (!isCoded(error)) throw error;
  }
}

describe.each(targets)('%s', (_name, specimen, parse) => {
  it('parse when they are well', () => {
    expect(() => parse(specimen)).not.toThrow();
  });

  it('survive noise', () => {
    const noise = fc.uint8Array({ maxLength: 600 });
    fc.assert(
      fc.property(noise, (bytes) => survives(parse, bytes)),
      { numRuns: RUNS, seed: 11 },
    );
  });

  it('survive edits', () => {
    const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(edits, (list) =>
        survives(
          parse,
          list.reduce((bytes, change) => change(bytes), specimen),
        ),
      ),
      { numRuns: RUNS, seed: 12 },
    );
  });
});
