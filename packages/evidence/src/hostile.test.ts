// SPDX-License-Identifier: Apache-2.0
// Every byte is hostile. One minted specimen a kind: flipped bits in everything signed, truncations
// and appended bytes are refused with a CodedError; so is random and structured noise. With
// CLOISTER_EVERY_BIT=1 each single bit is flipped.
import { concat, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EvidenceCache } from './cache.ts';
import { makeCollateral, needsCollateral } from './collateral.ts';
import {
  createDevelopmentRoot,
  MINTABLE_KINDS,
  mintCollateral,
  mintEvidence,
} from './mint/index.ts';
import {
  type Collateral,
  type EvidenceKind,
  MEASUREMENT_LENGTH,
  REPORT_DATA_LENGTH,
} from './types.ts';
import { verifyEvidence } from './verify.ts';
import { parseCertificate } from './x509/certificate.ts';
import { parseCrl } from './x509/crl.ts';
import { parsePem } from './x509/pem.ts';

const AT = Date.UTC(2026, 0, 15);
const RUNS = 200;
/**
 * All bits take a minute. By default: all of the first 48 and last 16 bytes, one of each byte to
 * 700, one of every fifth byte beyond, where certificates are.
 */
const EVERY_BIT = process.env['CLOISTER_EVERY_BIT'] === '1';

interface Specimen {
  readonly kind: EvidenceKind;
  readonly bytes: Uint8Array;
  readonly collateral: Collateral | null;
  readonly verify: (bytes: Uint8Array, collateral?: Collateral | null) => Promise<string>;
}

function specimen(kind: EvidenceKind): Specimen {
  const root = createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(7) });
  const collateral = !needsCollateral(kind) ? null : mintCollateral(root, { at: AT - 86_400_000 });
  const measurement = new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(0x11);
  const reportData = new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(0x22);
  const { bytes } = mintEvidence({ root, measurement, reportData, at: AT });
  const cache = new EvidenceCache({ entries: 64 });
  const options = { crypto: nodeCrypto, roots: [root.root], at: AT, cache };
  const verify: Specimen['verify'] = async (given, other = collateral) => {
    try {
      await verifyEvidence({ kind, bytes: given }, { ...options, collateral: other });
      return 'accepted';
    } catch (error) {
      if (isCoded(error)) return error.code;
      throw error;
    }
  };
  return { kind, bytes, collateral, verify };
}

const specimens = MINTABLE_KINDS.map(specimen);

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
}

/** Where bytes are that nothing signs, so that a change may go unnoticed; each with its reason. */
function unsignedRanges(kind: EvidenceKind, bytes: Uint8Array): [number, number][] {
  const buffer = Buffer.from(bytes);
  const ranges: [number, number][] = [];
  // PEM is a text encoding: line breaks and text around blocks carry nothing.
  const pem = buffer.indexOf('-----BEGIN');
  if (pem !== -1) ranges.push([pem, bytes.length]);
  // A TD report is authenticated by its own CPU only: what is taken from it is compared with the
  // quote, and the rest (its MAC, the module's hashes) is not read.
  const hcl = buffer.indexOf('HCLA');
  if (kind === 'azure-tdx-vtpm') ranges.push([hcl + 32, hcl + 32 + 528]);
  return ranges;
}

describe.each(specimens.map((s) => [s.kind, s] as const))('%s', (kind, s) => {
  it('is itself accepted', async () => {
    expect(await s.verify(s.bytes)).toBe('accepted');
  });

  it('refuses every flipped bit where something is signed', async () => {
    const accepted: number[] = [];
    const unsigned = unsignedRanges(kind, s.bytes);
    for (let byte = 0; byte < s.bytes.length; byte++) {
      if (unsigned.some(([from, to]) => byte >= from && byte < to)) continue;
      const dense = EVERY_BIT || byte < 48 || byte >= s.bytes.length - 16;
      if (!dense && byte >= 700 && byte % 5 !== 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (!dense && bit !== byte % 8) continue;
        const at = 8 * byte + bit;
        if ((await s.verify(flipped(s.bytes, at))) === 'accepted') accepted.push(at);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('refuses every truncation', async () => {
    const accepted: number[] = [];
    for (let length = 0; length < s.bytes.length; length += length < 1300 ? 1 : 7) {
      if ((await s.verify(s.bytes.subarray(0, length))) === 'accepted') accepted.push(length);
    }
    expect(accepted).toEqual([]);
  });

  it('refuses appended bytes, but for the zero padding that quotes may have', async () => {
    const padded = ['sgx-dcap', 'tdx-dcap', 'sev-snp'].includes(kind);
    expect(await s.verify(concat(s.bytes, Uint8Array.of(1)))).not.toBe('accepted');
    const zero = await s.verify(concat(s.bytes, new Uint8Array(70)));
    if (padded) expect(zero).toBe('accepted');
    else expect(zero).not.toBe('accepted');
    if (kind === 'sgx-dcap' || kind === 'tdx-dcap') {
      const tooMuch = await s.verify(concat(s.bytes, new Uint8Array(4097)));
      expect(tooMuch).toBe('evidence-trailing-bytes');
    }
  });

  it('survives noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (noise) => {
        expect(await s.verify(noise)).not.toBe('accepted');
      }),
      { numRuns: RUNS, seed: 1 },
    );
  });

  it('survives bytes overwritten with noise', async () => {
    const { length } = s.bytes;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        async (at, noise) => {
          const out = s.bytes.slice();
          out.set(noise.subarray(0, length - at), at);
          await s.verify(out);
        },
      ),
      { numRuns: RUNS, seed: 2 },
    );
  });
});

describe.each(specimens.filter((s) => s.collateral !== null).map((s) => [s.kind, s] as const))(
  '%s collateral',
  (kind, s) => {
    const items = (s.collateral as Collateral).items;

    it.each(Object.keys(items).map((name) => [name]))(
      '%s: a flipped bit is refused',
      async (name) => {
        const bytes = items[name] as Uint8Array;
        const free = name.endsWith('-chain');
        await fc.assert(
          fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
            const changed = { ...items, [name]: flipped(bytes, bit) };
            let code: string;
            try {
              code = await s.verify(s.bytes, makeCollateral(kind, changed));
            } catch (error) {
              if (!isCoded(error)) throw error;
              code = error.code;
            }
            if (!free) expect(code).not.toBe('accepted');
          }),
          { numRuns: 60, seed: 3 },
        );
      },
    );
  },
);

describe('X.509 parsers', () => {
  const sgx = specimens.find((s) => s.kind === 'sgx-dcap')?.collateral?.items ?? {};
  const [certificate] = parsePem(sgx['pck-crl-issuer-chain'] as Uint8Array);
  const crl = sgx['pck-crl'] as Uint8Array;

  it.each([
    ['certificates', certificate as Uint8Array, parseCertificate],
    ['CRLs', crl, parseCrl],
  ] as const)('answer changed %s with a value or a CodedError', (_what, bytes, parse) => {
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        (at, noise) => {
          const out = bytes.slice();
          out.set(noise.subarray(0, bytes.length - at), at);
          try {
            parse(out);
          } catch (error) {
            expect(isCoded(error)).toBe(true);
          }
        },
      ),
      { numRuns: 3000, seed: 4 },
    );
  });
});
