// SPDX-License-Identifier: Apache-2.0
// One valid SNP report, then every field and certificate that a verifier must not overlook, signed
// again by the chip's key where a thief of that key could, each with its exact code.
import { concat, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { makeCollateral } from '../collateral.ts';
import { mintSign } from '../mint/keys.ts';
import { certificateTable, createDevelopmentRoot, mintCollateral, mintSnp } from '../minting.ts';
import type { Collateral } from '../types.ts';
import { verifyEvidence } from '../verify.ts';
import { GUIDS, REPORT_BYTES, SIGNED_BYTES } from './constants.ts';
import { parseSnpEvidence } from './parse.ts';

const AT = Date.UTC(2026, 0, 15);
const root = createDevelopmentRoot('sev-snp', { seed: new Uint8Array(32).fill(7) });
const other = createDevelopmentRoot('sev-snp', { seed: new Uint8Array(32).fill(8) });
const minted = (from: typeof root) =>
  mintSnp({
    root: from,
    measurement: new Uint8Array(48).fill(1),
    reportData: new Uint8Array(64).fill(2),
    at: AT,
  });
const evidence = minted(root);
const report = evidence.subarray(0, REPORT_BYTES);
const vcek = parseSnpEvidence(evidence).table.vcek as Uint8Array;
const collateral = mintCollateral(root, { at: AT - 86_400_000 });

async function codeOf(bytes: Uint8Array, given: Collateral = collateral): Promise<string> {
  try {
    const options = { crypto: nodeCrypto, roots: [root.root], at: AT, collateral: given };
    await verifyEvidence({ kind: 'sev-snp', bytes }, options);
    return 'accepted';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

/** The report with bytes set at an offset and signed again, under the genuine certificate. */
function resigned(offset: number, ...values: number[]): Uint8Array {
  const out = report.slice();
  out.set(values, offset);
  const key = root.keys['vcek'] as Uint8Array;
  const signature = mintSign('ecdsa-p384-sha384', key, out.subarray(0, SIGNED_BYTES));
  out.set(signature.slice(0, 48).reverse(), SIGNED_BYTES);
  out.set(signature.slice(48).reverse(), SIGNED_BYTES + 72);
  return concat(out, certificateTable({ vcek }));
}

function unsigned(offset: number, ...values: number[]): Uint8Array {
  const out = evidence.slice();
  out.set(values, offset);
  return out;
}

describe('an SNP report with', () => {
  it.each([
    ['nothing changed', resigned(0), 'accepted'],
    ['version 1', resigned(0x00, 1), 'evidence-version-unsupported'],
    ['version 4', resigned(0x00, 4), 'evidence-version-unsupported'],
    ['another signature algorithm', resigned(0x34, 2), 'evidence-key-type-unsupported'],
    ['no signing key', resigned(0x48, 7 << 2), 'evidence-key-type-unsupported'],
    ['a VLEK promised and a VCEK given', resigned(0x48, 1 << 2), 'certificate-missing'],
    ['the CPU of a Milan', resigned(0x189, 0x01), 'hardware-id-mismatch'],
    ['the CPU of a Turin', resigned(0x188, 0x1a, 0x02), 'hardware-id-mismatch'],
    ['an unknown CPU', resigned(0x188, 0x17), 'evidence-field-invalid'],
    ['an older boot loader reported', resigned(0x180, 9), 'tcb-mismatch'],
    ['newer microcode reported', resigned(0x187, 85), 'tcb-mismatch'],
    ['another chip', resigned(0x1a0, 1), 'hardware-id-mismatch'],
    ['an unsigned debug bit', unsigned(0x0a, 0x0b), 'signature-invalid'],
    ['an unsigned measurement', unsigned(0x90, 9), 'signature-invalid'],
    ['an r too long', unsigned(SIGNED_BYTES + 48, 1), 'evidence-field-invalid'],
    ['an s too long', unsigned(SIGNED_BYTES + 72 + 71, 1), 'evidence-field-invalid'],
    ['reserved signature bytes', unsigned(REPORT_BYTES - 1, 1), 'evidence-field-invalid'],
  ])('%s', async (_what, bytes, code) => {
    expect(await codeOf(bytes)).toBe(code);
  });

  it('a masked chip id takes the chip of its certificate', async () => {
    const masked = resigned(0x1a0, ...new Uint8Array(64));
    expect(await codeOf(masked)).toBe('accepted');
  });

  it('firmware that is not committed says so', async () => {
    const options = { crypto: nodeCrypto, roots: [root.root], at: AT, collateral };
    const bytes = resigned(0x38, 11);
    const claims = await verifyEvidence({ kind: 'sev-snp', bytes }, options);
    expect(claims.weaknesses).toContain('provisional-firmware');
  });
});

describe('a certificate table with', () => {
  const foreign = parseSnpEvidence(minted(other)).table.vcek as Uint8Array;
  const ask = root.certificates['ask'] as Uint8Array;
  const table = (...entries: [Uint8Array, number, number][]): Uint8Array => {
    const head = new Uint8Array(24 * (entries.length + 1));
    const view = new DataView(head.buffer);
    for (const [i, [guid, offset, length]] of entries.entries()) {
      head.set(guid, 24 * i);
      view.setUint32(24 * i + 16, offset, true);
      view.setUint32(24 * i + 20, length, true);
    }
    return concat(report, head, vcek);
  };
  const size = vcek.length;

  it.each([
    ['nothing', report, 'certificate-missing'],
    [
      'the chip of another maker',
      concat(report, certificateTable({ vcek: foreign })),
      'certificate-signature-invalid',
    ],
    ['an ASK for a VCEK', concat(report, certificateTable({ vcek: ask })), 'certificate-malformed'],
    ['an ASK beside it', concat(report, certificateTable({ vcek, ask })), 'accepted'],
    ['an entry past its end', table([GUIDS.vcek, 48, size + 1]), 'evidence-malformed'],
    [
      'an entry far past its end',
      table([GUIDS.vcek, 0xffffffff, 0xffffffff]),
      'evidence-malformed',
    ],
    [
      'the same entry twice',
      table([GUIDS.vcek, 72, size], [GUIDS.vcek, 72, size]),
      'evidence-malformed',
    ],
    ['bytes that no entry names', table([GUIDS.vcek, 48, size - 1]), 'evidence-trailing-bytes'],
    ['no end', concat(report, GUIDS.vcek, new Uint8Array(4)), 'evidence-malformed'],
  ] as [string, Uint8Array, string][])('%s', async (_what, bytes, code) => {
    expect(await codeOf(bytes)).toBe(code);
  });
});

describe('an SNP bundle with', () => {
  const ask = root.certificates['ask'] as Uint8Array;
  const foreign = mintCollateral(other, { at: AT - 86_400_000 }).items;
  const bundle = (items: Record<string, Uint8Array>) => makeCollateral('sev-snp', items);

  it.each([
    ['no list', () => bundle({ ask }), 'accepted'],
    ['the leaf in it', () => bundle({ ask, leaf: vcek }), 'accepted'],
    [
      'another ASK',
      () => bundle({ ask: foreign['ask'] as Uint8Array }),
      'certificate-signature-invalid',
    ],
    [
      'a list by another key',
      () => bundle({ ask, crl: foreign['crl'] as Uint8Array }),
      'crl-signature-invalid',
    ],
    ['only the ASK of VLEKs', () => bundle({ asvk: ask }), 'collateral-missing'],
  ] as [string, () => Collateral, string][])('%s', async (_what, make, code) => {
    expect(await codeOf(evidence, make())).toBe(code);
  });

  it('strange items or no intermediate is refused when it is made', () => {
    for (const items of [
      {},
      { crl: collateral.items['crl'] as Uint8Array },
      { ask: vcek },
      { more: ask },
    ]) {
      expect(() => bundle(items as Record<string, Uint8Array>)).toThrow();
    }
  });

  it('no list gives a weakness that a list takes away', async () => {
    const options = { crypto: nodeCrypto, roots: [root.root], at: AT };
    const judge = async (given: Collateral) =>
      (
        await verifyEvidence(
          { kind: 'sev-snp', bytes: evidence },
          { ...options, collateral: given },
        )
      ).weaknesses;
    expect(await judge(bundle({ ask }))).toContain('revocation-unchecked');
    expect(await judge(collateral)).not.toContain('revocation-unchecked');
  });
});

// The one thing that minting and parsing could both have wrong. Source: AMD 56421, section 4.1.8.1;
// hosts write the bytes in the order of the text (`npm run test:real go` reads them, too).
it.each([
  ['vcek', '63da758d-e664-4564-adc5-f4b93be8accd'],
  ['vlek', 'a8074bc2-a25a-483e-aae6-39c045a0b8a1'],
  ['ask', '4ab7b379-bbac-4fe4-a02f-05aef327c782'],
  ['ark', 'c0b406a4-a803-4952-9743-3fb6014cd0ae'],
  ['crl', '92f81bc3-5811-4d3d-97ff-d19f88dc67ea'],
] as const)('a %s is filed under %s', (name, text) => {
  const table = certificateTable({ [name]: Uint8Array.of(1) });
  expect(toHex(table.subarray(0, 16))).toBe(text.replaceAll('-', ''));
  expect(parseSnpEvidence(concat(report, table)).table[name]).toEqual(Uint8Array.of(1));
});
