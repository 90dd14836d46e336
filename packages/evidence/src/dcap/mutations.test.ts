// SPDX-License-Identifier: Apache-2.0
// One valid bundle and quote, then every single thing that can be wrong with collateral or chain,
// each signed properly by the development root, each with its exact code. Long because the table
// is.
import { isCoded, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { makeCollateral } from '../collateral.ts';
import { mintSign, publicOf } from '../mint/keys.ts';
import {
  caExtensions,
  leafExtensions,
  type MintCertificate,
  mintCertificate,
  mintCrl,
  pem,
} from '../mint/x509.ts';
import { createDevelopmentRoot, mintCollateral, mintEvidence, mintSgx } from '../minting.ts';
import { verifyEvidence } from '../verify.ts';
import { parseCertificate } from '../x509/certificate.ts';

const AT = Date.UTC(2026, 0, 15);
const DAY = 86_400_000;
const root = createDevelopmentRoot('sgx-dcap', { seed: new Uint8Array(32).fill(7) });
const other = createDevelopmentRoot('sgx-dcap', { seed: new Uint8Array(32).fill(8) });
const request = {
  root,
  measurement: new Uint8Array(32),
  reportData: new Uint8Array(64),
  at: AT,
};
const quote = mintEvidence(request).bytes;
const good = mintCollateral(root, { at: AT - DAY }).items;
const foreign = mintCollateral(other, { at: AT - DAY }).items;
const SCHEME = 'ecdsa-p256-sha256';

type Items = Record<string, Uint8Array>;

async function codeOf(items: Items, bytes = quote): Promise<string> {
  try {
    const collateral = makeCollateral('sgx-dcap', items);
    const options = { crypto: nodeCrypto, roots: [root.root], at: AT, collateral };
    await verifyEvidence({ kind: 'sgx-dcap', bytes }, options);
    return 'accepted';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

function key(name: string): Uint8Array {
  return root.keys[name] as Uint8Array;
}

function certificate(name: string): Uint8Array {
  return root.certificates[name] as Uint8Array;
}

/** A signed statement changed by `change` and signed again by the TCB signing key. */
function resigned(name: 'tcb-info' | 'qe-identity', change: (json: Json) => void): Items {
  const json = JSON.parse(new TextDecoder().decode(good[name])) as Json;
  change(json);
  const bytes = utf8(JSON.stringify(json));
  const signature = mintSign(SCHEME, key('tcb-signer'), bytes);
  return { ...good, [name]: bytes, [`${name}-signature`]: signature };
}

// biome-ignore lint/suspicious/noExplicitAny: the statements are taken apart and spoilt on purpose
type Json = any;

const issuers = {
  root: { name: parseCertificate(certificate('root')).subject, key: key('root'), scheme: SCHEME },
  'pck-ca': {
    name: parseCertificate(certificate('pck-ca')).subject,
    key: key('pck-ca'),
    scheme: SCHEME,
  },
} as const;

function crl(issuer: keyof typeof issuers, from = AT - DAY, to = AT + DAY): Uint8Array {
  return mintCrl({ issuer: issuers[issuer], from, to, number: 1, revoked: [] });
}

/** A TCB signing chain whose certificate is minted anew. */
function signerChain(change: Partial<MintCertificate>): Items {
  const made = mintCertificate({
    issuer: issuers.root,
    subject: parseCertificate(certificate('tcb-signer')).subject,
    publicKey: publicOf(key('tcb-signer')),
    serial: 77,
    from: AT - DAY,
    to: AT + DAY,
    extensions: leafExtensions(),
    ...change,
  });
  return { ...good, 'tcb-info-issuer-chain': pem(made, certificate('root')) };
}

const cases: [string, () => Items, string][] = [
  ['nothing', () => ({ ...good }), 'accepted'],
  [
    'TCB info of another platform',
    () => ({ ...good, 'tcb-info': foreign['tcb-info'] as Uint8Array }),
    'collateral-mismatch',
  ],
  [
    'TCB info with a space more',
    () => ({ ...good, 'tcb-info': utf8(`${new TextDecoder().decode(good['tcb-info'])} `) }),
    'tcb-info-signature-invalid',
  ],
  [
    'TCB info not in force yet',
    () =>
      resigned('tcb-info', (j) => {
        j.issueDate = '2026-02-01T00:00:00Z';
      }),
    'tcb-info-not-yet-valid',
  ],
  [
    'TCB info past its end',
    () =>
      resigned('tcb-info', (j) => {
        j.nextUpdate = '2026-01-14T23:59:59Z';
      }),
    'tcb-info-expired',
  ],
  [
    'TCB info for another PCE',
    () =>
      resigned('tcb-info', (j) => {
        j.pceId = '0001';
      }),
    'tcb-info-mismatch',
  ],
  [
    'TCB info without levels',
    () =>
      resigned('tcb-info', (j) => {
        j.tcbLevels = [];
      }),
    'tcb-level-unmatched',
  ],
  [
    'TCB info with an unknown status',
    () =>
      resigned('tcb-info', (j) => {
        j.tcbLevels[0].tcbStatus = 'Fine';
      }),
    'tcb-info-malformed',
  ],
  [
    'TCB info with 15 components',
    () =>
      resigned('tcb-info', (j) => {
        j.tcbLevels[0].tcb.sgxtcbcomponents.pop();
      }),
    'tcb-info-malformed',
  ],
  [
    'TCB info with a negative SVN',
    () =>
      resigned('tcb-info', (j) => {
        j.tcbLevels[0].tcb.pcesvn = -1;
      }),
    'tcb-info-malformed',
  ],
  [
    'TCB info of version 4',
    () =>
      resigned('tcb-info', (j) => {
        j.version = 4;
      }),
    'tcb-info-malformed',
  ],
  [
    'TCB info for TDX',
    () =>
      resigned('tcb-info', (j) => {
        j.id = 'TDX';
      }),
    'collateral-malformed',
  ],
  [
    'an impossible date',
    () =>
      resigned('tcb-info', (j) => {
        j.nextUpdate = '2026-02-31T25:00:00Z';
      }),
    'tcb-info-malformed',
  ],
  [
    'an identity not in force yet',
    () =>
      resigned('qe-identity', (j) => {
        j.issueDate = '2026-02-01T00:00:00Z';
      }),
    'qe-identity-not-yet-valid',
  ],
  [
    'an identity past its end',
    () =>
      resigned('qe-identity', (j) => {
        j.nextUpdate = '2026-01-14T00:00:00Z';
      }),
    'qe-identity-expired',
  ],
  [
    'an identity of another signer',
    () =>
      resigned('qe-identity', (j) => {
        j.mrsigner = '00'.repeat(32);
      }),
    'qe-identity-mismatch',
  ],
  [
    'an identity of another product',
    () =>
      resigned('qe-identity', (j) => {
        j.isvprodid = 2;
      }),
    'qe-identity-mismatch',
  ],
  [
    'an identity with other attributes',
    () =>
      resigned('qe-identity', (j) => {
        j.attributes = '07'.padEnd(32, '0');
        j.attributesMask = 'FF'.repeat(16);
      }),
    'qe-identity-mismatch',
  ],
  [
    'an identity with other misc bits',
    () =>
      resigned('qe-identity', (j) => {
        j.miscselect = '01000000';
      }),
    'qe-identity-mismatch',
  ],
  [
    'an identity that wants a newer QE',
    () =>
      resigned('qe-identity', (j) => {
        j.tcbLevels = [{ ...j.tcbLevels[0], tcb: { isvsvn: 99 } }];
      }),
    'tcb-level-unmatched',
  ],
  [
    'an identity of the TDX QE',
    () =>
      resigned('qe-identity', (j) => {
        j.id = 'TD_QE';
      }),
    'collateral-malformed',
  ],
  [
    'a root CRL of the PCK CA',
    () => ({ ...good, 'root-ca-crl': crl('pck-ca') }),
    'crl-issuer-mismatch',
  ],
  ['a PCK CRL of the root', () => ({ ...good, 'pck-crl': crl('root') }), 'crl-issuer-mismatch'],
  [
    'a root CRL by another key',
    () => ({ ...good, 'root-ca-crl': foreign['root-ca-crl'] as Uint8Array }),
    'crl-signature-invalid',
  ],
  [
    'a PCK CRL by another key',
    () => ({ ...good, 'pck-crl': foreign['pck-crl'] as Uint8Array }),
    'crl-signature-invalid',
  ],
  [
    'a root CRL past its end',
    () => ({ ...good, 'root-ca-crl': crl('root', AT - 9 * DAY, AT - DAY) }),
    'crl-expired',
  ],
  [
    'a PCK CRL of the future',
    () => ({ ...good, 'pck-crl': crl('pck-ca', AT + DAY, AT + 9 * DAY) }),
    'crl-not-yet-valid',
  ],
  [
    'a TCB signer past its end',
    () => signerChain({ from: AT - 9 * DAY, to: AT - DAY }),
    'certificate-expired',
  ],
  [
    'a TCB signer of the future',
    () => signerChain({ from: AT + DAY, to: AT + 9 * DAY }),
    'certificate-not-yet-valid',
  ],
  [
    'a TCB signer that is a CA',
    () => signerChain({ extensions: caExtensions(0) }),
    'certificate-usage-invalid',
  ],
  [
    'a TCB signer issued by the PCK CA',
    () => signerChain({ issuer: issuers['pck-ca'] }),
    'root-untrusted',
  ],
  [
    'a TCB signer of another key',
    () => signerChain({ publicKey: publicOf(key('pck')) }),
    'tcb-info-signature-invalid',
  ],
  [
    'a TCB signer of another name',
    () => signerChain({ subject: parseCertificate(certificate('pck-ca')).subject }),
    'certificate-missing',
  ],
  [
    'a TCB signer with an unknown critical extension',
    () =>
      signerChain({
        extensions: [
          ...leafExtensions(),
          { oid: '1.2.3.4', critical: true, value: new Uint8Array([5, 0]) },
        ],
      }),
    'certificate-usage-invalid',
  ],
  [
    'a TCB signing chain under another root',
    () => ({ ...good, 'tcb-info-issuer-chain': foreign['tcb-info-issuer-chain'] as Uint8Array }),
    'root-untrusted',
  ],
  [
    'a chain that is not PEM',
    () => ({ ...good, 'tcb-info-issuer-chain': utf8('nothing') }),
    'pem-malformed',
  ],
  ['a CRL that is not DER', () => ({ ...good, 'pck-crl': utf8('nothing') }), 'der-malformed'],
  [
    'a signature cut short',
    () => ({
      ...good,
      'tcb-info-signature': (good['tcb-info-signature'] as Uint8Array).subarray(1),
    }),
    'tcb-info-signature-invalid',
  ],
];

describe('a DCAP bundle with', () => {
  it.each(cases)('%s: %#', async (_what, make, code) => {
    expect(await codeOf(make())).toBe(code);
  });

  it('any item missing is refused', async () => {
    for (const name of Object.keys(good)) {
      const { [name]: _gone, ...rest } = good;
      expect(await codeOf(rest), name).toBe('collateral-malformed');
    }
  });

  it('two TCB signing certificates uses the one in force', async () => {
    const old = signerChain({ from: AT - 9 * DAY, to: AT - DAY, serial: 78 });
    const chain = new TextDecoder().decode(old['tcb-info-issuer-chain']);
    const both = utf8(chain + new TextDecoder().decode(pem(certificate('tcb-signer'))));
    expect(await codeOf({ ...good, 'tcb-info-issuer-chain': both })).toBe('accepted');
  });
});

describe('JSON bombs', () => {
  it.each([
    ['deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['long', `{"a":"${'x'.repeat(3_000_000)}"}`],
    ['unfinished', '{"id":"SGX"'],
    ['a bare number', '1e999'],
  ])('%s is refused', async (_what, text) => {
    expect(await codeOf({ ...good, 'tcb-info': utf8(text) })).toBe('tcb-info-malformed');
  });
});

describe('a quote whose frame is changed', () => {
  const at = (offset: number, ...values: number[]) => {
    const out = quote.slice();
    out.set(values, offset);
    return out;
  };
  const signatureLength = 432;
  const certificationType = signatureLength + 4 + 64 + 64 + 384 + 64;
  const authLength = quote[certificationType] as number;

  it.each([
    ['version 2', at(0, 2), 'evidence-version-unsupported'],
    ['version 6', at(0, 6), 'evidence-version-unsupported'],
    ['P-384 keys', at(2, 3), 'evidence-key-type-unsupported'],
    ['TEE type TDX in version 3', at(4, 0x81), 'evidence-field-invalid'],
    ['another vendor', at(12, 0), 'evidence-field-invalid'],
    ['a longer signature', at(signatureLength, 0xff, 0xff), 'evidence-malformed'],
    ['a shorter signature', at(signatureLength, 16, 0), 'evidence-trailing-bytes'],
    [
      'certification type 1',
      at(certificationType + 2 + authLength, 1),
      'evidence-cert-type-unsupported',
    ],
    [
      'certification type 4',
      at(certificationType + 2 + authLength, 4),
      'evidence-cert-type-unsupported',
    ],
    ['an endless auth field', at(certificationType, 0xff, 0xff), 'evidence-malformed'],
  ])('%s', async (_what, bytes, code) => {
    expect(await codeOf({ ...good }, bytes)).toBe(code);
  });

  it('a wrapped QE report of another size or type is refused', async () => {
    const v4 = mintSgx({ ...request, version: 4 });
    const wrapper = 432 + 4 + 128;
    const type = v4.slice();
    type[wrapper] = 5;
    expect(await codeOf({ ...good }, type)).toBe('evidence-cert-type-unsupported');
    const size = v4.slice();
    size[wrapper + 2] = (size[wrapper + 2] as number) ^ 1;
    expect(['evidence-malformed', 'evidence-trailing-bytes']).toContain(
      await codeOf({ ...good }, size),
    );
    const v5 = mintSgx({ ...request, version: 5 });
    const body = v5.slice();
    body[48] = 3;
    expect(await codeOf({ ...good }, body)).toBe('evidence-field-invalid');
  });
});
