// SPDX-License-Identifier: Apache-2.0
// Vendors' files in every form and order give one bundle, byte for byte; what is missing, doubled
// or foreign is refused by name; text forms of evidence are told apart.
import { concat, isCoded, toBase64, toHex, utf8 } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasShared, read } from '../testing/cases.ts';
import { encodeCollateral, makeCollateral, parseCollateralJson } from './collateral.ts';
import { dcapBundleJson } from './dcap/collateral.ts';
import { createDevelopmentRoot, mintCollateral } from './minting.ts';
import { decodeEvidenceFile } from './text-form.ts';
import { collateralFromFiles, type VendorFile } from './vendor-files.ts';

const AT = Date.UTC(2026, 0, 15);
const sgx = mintCollateral(createDevelopmentRoot('sgx-dcap'), { at: AT });
const amdRoot = createDevelopmentRoot('sev-snp');
const snp = mintCollateral(amdRoot, { at: AT });

const item = (name: string) => sgx.items[name] as Uint8Array;
const text = (name: string) => new TextDecoder().decode(item(name));
const file = (name: string, bytes: Uint8Array | string): VendorFile => ({
  name,
  bytes: typeof bytes === 'string' ? utf8(bytes) : bytes,
});
const signed = (name: string, member: string) =>
  `{"${member}":${text(name)},"signature":"${toHex(item(`${name}-signature`))}"}`;
const pem = (label: string, der: Uint8Array) =>
  [`-----BEGIN ${label}-----`, ...(toBase64(der).match(/.{1,64}/g) ?? []), `-----END ${label}-----`]
    .map((line) => `${line}\n`)
    .join('');
const escaped = (name: string) => encodeURIComponent(text(name));
const http = (header: string, chain: string, body: string) =>
  [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json',
    `${header}: ${escaped(chain)}`,
    '',
    body,
  ].join('\r\n');

const PLAIN = [
  file('tcb', signed('tcb-info', 'tcbInfo')),
  file('qe', signed('qe-identity', 'enclaveIdentity')),
  file('root crl', item('root-ca-crl')),
  file('pck crl', item('pck-crl')),
  file('signer', item('tcb-info-issuer-chain')),
  file('pck ca', item('pck-crl-issuer-chain')),
];

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'made';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

describe('a bundle from Intel files', () => {
  const wanted = toHex(encodeCollateral(sgx));
  const made = (files: readonly VendorFile[]) =>
    toHex(encodeCollateral(collateralFromFiles(files)));

  it('is the same in any order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(PLAIN, { minLength: PLAIN.length }), (files) => {
        expect(made(files)).toBe(wanted);
      }),
      { numRuns: 20 },
    );
  });

  it('is the same from HTTP answers, PEM, hexadecimal, laid-out JSON, and one JSON bundle', () => {
    const laidOut = JSON.stringify(JSON.parse(signed('tcb-info', 'tcbInfo')), null, 2);
    const body = signed('qe-identity', 'enclaveIdentity');
    const files = [
      file('tcb', laidOut),
      file('qe', http('SGX-Enclave-Identity-Issuer-Chain', 'qe-identity-issuer-chain', body)),
      file('root crl', toHex(item('root-ca-crl'))),
      file('pck crl', pem('X509 CRL', item('pck-crl'))),
      file('pck ca', escaped('pck-crl-issuer-chain')),
    ];
    expect(made(files)).toBe(wanted);
    // A list in DER after its headers: what `curl -i` saves.
    const head = utf8(http('sgx-pck-crl-issuer-chain', 'pck-crl-issuer-chain', ''));
    const binary = file('crl', concat(head, item('pck-crl')));
    expect(made([...files.slice(0, 3), binary])).toBe(wanted);
    expect(made([file('all', dcapBundleJson(sgx.items))])).toBe(wanted);
    expect(made([file('bundle', encodeCollateral(sgx)), ...files])).toBe(wanted);
  });

  it.each(PLAIN.map((f, i) => [f.name, i] as const))('without %s names what is missing', (_, i) => {
    const less = PLAIN.filter((_, at) => at !== i);
    expect(() => collateralFromFiles(less)).toThrow(/lacks '/);
    expect(codeOf(() => collateralFromFiles(less))).toBe('collateral-malformed');
  });

  it('with two different files for one item is refused, naming both', () => {
    const other = mintCollateral(createDevelopmentRoot('sgx-dcap'), { at: AT });
    const files = [...PLAIN, file('second', other.items['pck-crl'] as Uint8Array)];
    expect(() => collateralFromFiles(files)).toThrow(/pck crl and second both hold 'pck-crl'/);
  });

  it('is refused where a file is not understood', () => {
    for (const bytes of ['', 'prose', '{}', '-----BEGIN%20CERTIFICATE%ZZ', 'HTTP/1.1 200 OK']) {
      const code = codeOf(() => collateralFromFiles([...PLAIN, file('odd', bytes)]));
      expect([bytes, code]).toEqual([bytes, 'collateral-malformed']);
    }
    expect(codeOf(() => collateralFromFiles([]))).toBe('collateral-malformed');
  });

  it('any bytes give a bundle or a coded error', () => {
    const near = fc.constantFrom(...PLAIN.map((f) => f.bytes)).chain((bytes) =>
      fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(([at, byte]) => {
        const out = bytes.slice();
        out[at] = byte;
        return out;
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), near), (bytes) => {
        codeOf(() => collateralFromFiles([file('any', bytes)]));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a bundle from AMD files', () => {
  it('takes chain, list and leaf, and serves the Azure kind when asked', () => {
    const chain = snp.items['ask'] as Uint8Array;
    const ark = pem('CERTIFICATE', amdRoot.root.certificate as Uint8Array);
    const crl = snp.items['crl'];
    const ask = chain[0] === 0x30 ? pem('CERTIFICATE', chain) : new TextDecoder().decode(chain);
    const files = [file('cert_chain', ask + ark), ...(crl === undefined ? [] : [file('crl', crl)])];
    const bundle = collateralFromFiles(files);
    expect(bundle).toMatchObject({ kind: 'sev-snp', subject: snp.subject, number: snp.number });
    expect(collateralFromFiles(files, 'azure-snp-vtpm').kind).toBe('azure-snp-vtpm');
    expect(codeOf(() => collateralFromFiles(files, 'nitro'))).toBe('evidence-kind-unsupported');
    expect(makeCollateral('sev-snp', bundle.items)).toEqual(bundle);
  });
});

describe('evidence as text', () => {
  it('is read in hexadecimal and base64, however broken into lines', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.nat(20), (bytes, at) => {
        const hex = toHex(bytes).toUpperCase();
        const lines = `${hex.slice(0, at)}\r\n ${hex.slice(at)}\n`;
        expect(decodeEvidenceFile(utf8(`0x${lines}`))).toEqual({ bytes, form: 'hex' });
        const binary = Uint8Array.of(0x80, ...bytes);
        expect(decodeEvidenceFile(binary)).toEqual({ bytes: binary, form: 'raw' });
        const base64 = toBase64(binary);
        const url = base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
        for (const form of [base64, url, base64.replace(/(.{7})/g, '$1\n')]) {
          expect(decodeEvidenceFile(utf8(form)).bytes).toEqual(
            /^[0-9a-fA-F]+$/.test(form) && form.length % 2 === 0 ? expect.anything() : binary,
          );
        }
      }),
    );
  });

  it('of another sort is refused', () => {
    for (const prose of ['', 'a sentence.', '{"quote": "00"}', '====']) {
      expect(codeOf(() => decodeEvidenceFile(utf8(prose)))).toBe('evidence-malformed');
    }
  });
});

it('a bundle of PCS tools is read as before', () => {
  const json = utf8(dcapBundleJson(sgx.items));
  expect(parseCollateralJson('sgx-dcap', json)).toEqual(sgx);
});

describe.skipIf(!hasShared)('what Intel served [skip: shared]', () => {
  it('is one bundle, whichever file is read first', () => {
    const folder = 'sgx/integritee/dcap';
    const names = [
      ...['tcb_info.json', 'qe_identity.json', 'root_ca_crl.der', 'pck_crl.der'],
      ...['tcb_info_issuer_chain.pem', 'qe_identity_issuer_chain.pem', 'pck_crl_issuer_chain.pem'],
    ];
    const files = names.map((name) => file(name, read(`${folder}/${name}`)));
    const bundle = collateralFromFiles(files);
    expect(bundle).toMatchObject({ kind: 'sgx-dcap', subject: '00906ea10000', number: 12 });
    expect(collateralFromFiles(files.reverse())).toEqual(bundle);
    const other = [...files, file('another', read(`${folder}/test2_tcb_info.json`))];
    expect(() => collateralFromFiles(other)).toThrow(/tcb_info.json and another both hold/);
  });
});
