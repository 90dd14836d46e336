// SPDX-License-Identifier: Apache-2.0
// For tests: one minted specimen a kind, with its collateral and a verifier that answers
// 'accepted' or a code; which of its bytes nothing signs; and flipped bits, in the open and inside
// PEM.
import { isCoded, toBase64 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { EvidenceCache } from '../src/cache.ts';
import { needsCollateral } from '../src/collateral.ts';
import { createDevelopmentRoot, mintCollateral, mintEvidence } from '../src/minting.ts';
import {
  type Collateral,
  type EvidenceKind,
  MEASUREMENT_LENGTH,
  REPORT_DATA_LENGTH,
} from '../src/types.ts';
import { verifyEvidence } from '../src/verify.ts';
import { parsePem } from '../src/x509/pem.ts';

const AT = Date.UTC(2026, 0, 15);
const DAY = 86_400_000;

export interface Specimen {
  readonly kind: EvidenceKind;
  readonly bytes: Uint8Array;
  readonly collateral: Collateral | null;
  /** 'accepted' or the code of the refusal; what is not a CodedError is thrown. */
  readonly verify: (bytes: Uint8Array, collateral?: Collateral | null) => Promise<string>;
}

export function specimen(kind: EvidenceKind): Specimen {
  const root = createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(7) });
  const collateral = !needsCollateral(kind) ? null : mintCollateral(root, { at: AT - DAY });
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

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
}

/** What flipping every bit of one thing may take on a busy machine. */
export const BITS_TIMEOUT_MS = 15 * 60_000;

/** The bits of `bytes`, outside `ranges`, that `verdict` accepts when they are flipped. */
export async function bitsAccepted(
  bytes: Uint8Array,
  verdict: (changed: Uint8Array) => Promise<string>,
  ranges: readonly [number, number][] = [],
): Promise<number[]> {
  const out: number[] = [];
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const byte = bit >> 3;
    if (ranges.some(([from, to]) => byte >= from && byte < to)) continue;
    if ((await verdict(flipped(bytes, bit))) === 'accepted') out.push(bit);
  }
  return out;
}

/** Where bytes are that nothing signs, so that a change may go unnoticed; each with its reason. */
export function unsignedRanges(kind: EvidenceKind, bytes: Uint8Array): [number, number][] {
  const buffer = Buffer.from(bytes);
  const ranges: [number, number][] = [];
  // PEM is a text encoding: line breaks and text around blocks carry nothing. What the blocks hold
  // is another matter: `insidePem`.
  const pem = buffer.indexOf('-----BEGIN');
  if (pem !== -1) ranges.push([pem, bytes.length]);
  // A TD report is authenticated by its own CPU only: what is taken from it is compared with the
  // quote, and the rest (its MAC, the module's hashes) is not read.
  const hcl = buffer.indexOf('HCLA');
  if (kind === 'azure-tdx-vtpm') ranges.push([hcl + 32, hcl + 32 + 528]);
  return ranges;
}

/** A certificate inside PEM inside `bytes`, and how to put another of its length there. */
export interface PemBlock {
  readonly der: Uint8Array;
  readonly replaced: (der: Uint8Array) => Uint8Array;
}

/** The certificates that `bytes` hold as PEM, first to last. */
export function insidePem(bytes: Uint8Array): PemBlock[] {
  const buffer = Buffer.from(bytes);
  const from = buffer.indexOf('-----BEGIN');
  if (from === -1) return [];
  let at = from;
  return parsePem(bytes.subarray(from)).map((der) => {
    const start = buffer.indexOf('\n', buffer.indexOf('-----BEGIN', at)) + 1;
    const end = buffer.indexOf('-----END', start);
    at = end;
    const replaced = (other: Uint8Array): Uint8Array => {
      const lines = toBase64(other).match(/.{1,64}/g) ?? [];
      const out = bytes.slice();
      out.set(Buffer.from(`${lines.join('\n')}\n`), start);
      return out;
    };
    return { der, replaced };
  });
}
