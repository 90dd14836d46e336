// SPDX-License-Identifier: Apache-2.0
// Claims member for member: what a real Chromium proves, with its own cryptography, of one minted
// piece of evidence of each kind and of one captured from real hardware of each kind that there is,
// is what Node proves; also the appraisal of it.
import { fileURLToPath } from 'node:url';
import { encodeCbor, fromBase64Url, fromHex, toBase64, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { BrowserPage } from '@cloister/testkit/browser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Case, cases, hasShared, quoteBytes, read, teeOf, text } from '../testing/cases.ts';
import { appraise } from './appraise.ts';
import { claimsJson } from './claims-json.ts';
import {
  encodeCollateral,
  makeCollateral,
  needsCollateral,
  parseCollateralJson,
} from './collateral.ts';
import { createDevelopmentRoot, MINTABLE_KINDS, mintCollateral, mintEvidence } from './minting.ts';
import { openPolicy } from './policy.ts';
import { encodeRoot } from './roots/encode.ts';
import { VENDOR_ROOTS } from './roots/vendors.ts';
import { ALG } from './tpm2/constants.ts';
import { parseAttest } from './tpm2/structures.ts';
import {
  type Collateral,
  type EvidenceKind,
  MEASUREMENT_LENGTH,
  REPORT_DATA_LENGTH,
  type Root,
} from './types.ts';
import { verifyEvidence } from './verify.ts';
import { parseCertificates } from './x509/pem.ts';

const MODULE = `
  import { fromBase64, isCoded } from '@cloister/core';
  import { webCrypto as crypto } from '@cloister/core/web';
  import {
    appraise, claimsJson, decodeCollateral, decodeRoot, openPolicy, verifyEvidence, VENDOR_ROOTS,
  } from '@cloister/evidence';
  globalThis.page = {
    async judge({ kind, bytes, roots, collateral, at }) {
      try {
        const claims = await verifyEvidence({ kind, bytes: fromBase64(bytes) }, {
          crypto, at,
          roots: roots === null ? VENDOR_ROOTS : roots.map((root) => decodeRoot(fromBase64(root))),
          collateral: collateral === null ? null : decodeCollateral(fromBase64(collateral)),
        });
        return { claims: claimsJson(claims), appraisal: appraise(claims, openPolicy()) };
      } catch (error) {
        return { code: isCoded(error) ? error.code : 'thrown: ' + error };
      }
    },
  };
`;

let page: BrowserPage;
beforeAll(async () => {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  page = await BrowserPage.open({ module: MODULE, folder });
});
afterAll(() => page?.close());

interface Specimen {
  readonly kind: EvidenceKind;
  readonly bytes: Uint8Array;
  readonly collateral: Collateral | null;
  /** The vendors' where absent. */
  readonly roots?: readonly Root[];
  readonly at: number;
}

/** Node's claims, after the browser has been found to give the same. */
async function agreed(specimen: Specimen) {
  const { kind, bytes, collateral, roots = VENDOR_ROOTS, at } = specimen;
  const claims = await verifyEvidence(
    { kind, bytes },
    { crypto: nodeCrypto, collateral, roots, at },
  );
  const appraisal = appraise(claims, openPolicy());
  const wanted = JSON.parse(JSON.stringify({ claims: claimsJson(claims), appraisal }));
  const seen = await page.call('judge', {
    ...{ kind, at, bytes: toBase64(bytes) },
    roots: specimen.roots?.map((root) => toBase64(encodeRoot(root))) ?? null,
    collateral: collateral === null ? null : toBase64(encodeCollateral(collateral)),
  });
  expect(seen).toEqual(wanted);
  return claims;
}

describe('minted, in Chromium as in Node', () => {
  const at = Date.UTC(2026, 0, 15);
  it.each(MINTABLE_KINDS.map((kind) => [kind]))('%s', async (kind) => {
    const root = createDevelopmentRoot(kind);
    const measurement = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(1);
    const reportData = new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(2);
    const { bytes } = mintEvidence({ root, measurement, reportData, at });
    const collateral = needsCollateral(kind) ? mintCollateral(root, { at: at - 1000 }) : null;
    const claims = await agreed({ kind, bytes, collateral, roots: [root.root], at });
    expect(claims.trust).toBe('simulated');
    expect(claims.reportData).toEqual(reportData);
  });
});

/** Azure's captures in our envelope; theirs is JSON, and its signature comes bare. */
function azure(path: string): Uint8Array {
  const file = JSON.parse(text(path));
  const bytes = (value: string | number[]): Uint8Array => {
    if (typeof value !== 'string') return Uint8Array.from(value);
    if (value.startsWith('-----')) return parseCertificates(utf8(value))[0] as Uint8Array;
    return /^[0-9a-f]+$/.test(value) ? fromHex(value) : fromBase64Url(value.replace(/=+$/, ''));
  };
  const quote = file.tpm_quote ?? file.quote;
  const attest = bytes(quote.message);
  const signature = bytes(quote.signature);
  const [selection] = parseAttest(attest).selections;
  const length = [signature.length >> 8, signature.length & 255];
  const values = selection?.indexes.map((i) => [i, bytes(quote.pcrs[i])]) ?? [];
  return encodeCbor({
    v: 1,
    hcl: bytes(file.hcl_report ?? file.report),
    attest,
    sig: Uint8Array.of(0, ALG.rsassa, 0, ALG.sha256, ...length, ...signature),
    pcrs: [[ALG.sha256, values]],
    proof: bytes(file.td_quote ?? file.vcek),
  });
}

describe.skipIf(!hasShared)('captured, in Chromium as in Node [skip: shared]', () => {
  const find = (wanted: (c: Case) => boolean): Case => {
    const found = cases.find(wanted);
    if (found === undefined) throw new Error('assertion failed: such a case');
    return found;
  };
  const quote = (kind: 'sgx-dcap' | 'tdx-dcap'): Specimen => {
    const tee = kind === 'sgx-dcap' ? 'SGX' : 'TDX';
    const c = find((c) => c.peerStatus !== undefined && c.flag === undefined && teeOf(c) === tee);
    const collateral = parseCollateralJson(kind, read(c.collateralBundle ?? ''));
    return { kind, bytes: quoteBytes(c.evidence, tee), collateral, at: Date.parse(c.at ?? '') };
  };
  const azureTdx = 'bundles/tdx_trustee_az_tdx_vtpm_td_quote_bin__eval17_2025-07-07.json';
  const specimens: Record<string, () => Specimen> = {
    'sgx-dcap': () => quote('sgx-dcap'),
    'tdx-dcap': () => quote('tdx-dcap'),
    ...Object.fromEntries(
      ['milan', 'genoa', 'turin', 'vlek'].map((make) => [
        `sev-snp ${make}`,
        (): Specimen => {
          const c = find((c) => c.kind === 'snp' && c.expect === 'verified' && c.id.includes(make));
          const { leaf = '', ask = '' } = c.collateral ?? {};
          const name = ask.includes('VLEK') ? 'asvk' : 'ask';
          const collateral = makeCollateral('sev-snp', { [name]: read(ask), leaf: read(leaf) });
          return {
            kind: 'sev-snp',
            bytes: read(c.evidence),
            collateral,
            at: Date.parse(c.at ?? ''),
          };
        },
      ]),
    ),
    nitro: () => {
      const c = find((c) => c.kind === 'nitro' && /\d{13}_/.test(c.evidence));
      const at = Number(/(\d{13})_/.exec(c.evidence)?.[1]);
      return { kind: 'nitro', bytes: read(c.evidence), collateral: null, at };
    },
    'azure-snp-vtpm': () => ({
      kind: 'azure-snp-vtpm',
      bytes: azure('snp/trustee/az-snp-vtpm/evidence-v1.json'),
      collateral: makeCollateral('azure-snp-vtpm', { ask: read('snp/extracted/ca/SEV-Milan.pem') }),
      at: Date.UTC(2025, 2, 1),
    }),
    'azure-tdx-vtpm': () => ({
      kind: 'azure-tdx-vtpm',
      bytes: azure('tdx/trustee/az-tdx-vtpm/evidence-v1.json'),
      collateral: parseCollateralJson('azure-tdx-vtpm', read(azureTdx)),
      at: Date.parse('2025-07-22T09:13:34Z'),
    }),
  };

  it.each(Object.keys(specimens).map((name) => [name]))('%s', async (name) => {
    const claims = await agreed((specimens[name] as () => Specimen)());
    expect(claims.trust).toBe('hardware');
  });

  it('a changed bit gives the same code', async () => {
    const { kind, bytes, collateral, at } = quote('tdx-dcap');
    const changed = bytes.slice();
    changed[600] = (changed[600] as number) ^ 1;
    const request = { kind, bytes: toBase64(changed), roots: null, at };
    const bundle = toBase64(encodeCollateral(collateral as Collateral));
    expect(await page.call('judge', { ...request, collateral: bundle })).toEqual({
      code: 'signature-invalid',
    });
  });
});

it('the page asked nobody, and nothing went wrong aside', () => {
  expect(page.requested.filter((path) => path !== '/favicon.ico')).toEqual(['/', '/page.js']);
  expect(page.errors).toEqual([]);
});
