// SPDX-License-Identifier: Apache-2.0
// Parts of collateral: what each says of itself, that nobody but its maker can have made it, and
// that a bundle made of them verifies evidence as the whole did.
import { readdirSync, readFileSync } from 'node:fs';
import { type Cbor, encodeCbor, isCoded, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { hasShared, SHARED } from '../testing/cases.ts';
import { encodeCollateral } from './collateral.ts';
import { name } from './mint/der.ts';
import { mintSign, publicOf } from './mint/keys.ts';
import type { DevelopmentRoot } from './mint/types.ts';
import {
  caExtensions,
  leafExtensions,
  type MintCertificate,
  mintCertificate,
} from './mint/x509.ts';
import { createDevelopmentRoot, mintCollateral, mintEvidence, mintParts } from './minting.ts';
import { collateralOfParts, partsNeeded } from './part-needs.ts';
import {
  type CollateralPart,
  decodeParts,
  encodeParts,
  PART_NAMES,
  type PartName,
  partDigest,
  verifyPart,
} from './parts.ts';
import { partsFromFiles, partsOfItems } from './parts-from-files.ts';
import { INTEL_SGX_ROOT } from './roots/vendors.ts';
import type { EvidenceKind } from './types.ts';
import { verifyEvidence } from './verify.ts';
import { writePem } from './x509/pem.ts';

const AT = Date.UTC(2026, 0, 15);
const DAY = 86_400_000;
const seed = new Uint8Array(32).fill(7);
const KINDS = ['sgx-dcap', 'tdx-dcap', 'sev-snp', 'azure-tdx-vtpm', 'azure-snp-vtpm'] as const;
const roots = new Map<EvidenceKind, DevelopmentRoot>();

function rootOf(kind: EvidenceKind): DevelopmentRoot {
  const known = roots.get(kind) ?? createDevelopmentRoot(kind, { seed });
  roots.set(kind, known);
  return known;
}

const minted = (kind: EvidenceKind = 'sgx-dcap') => mintParts(rootOf(kind), { at: AT, number: 17 });

function one(name: PartName, parts: readonly CollateralPart[] = minted()): CollateralPart {
  const found = parts.find(({ part }) => part === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const { statement, chain } = one('root-crl');
const cbor = { part: 'root-crl', statement, chain } as const;

async function codeOf(part: CollateralPart): Promise<string> {
  try {
    await verifyPart(part, nodeCrypto);
    return 'holds';
  } catch (error) {
    if (!isCoded(error)) throw error;
    return error.code;
  }
}

describe('parts', () => {
  it('say what their maker signed', async () => {
    const { subject, root } = rootOf('sgx-dcap');
    const facts = await Promise.all(minted().map((part) => verifyPart(part, nodeCrypto)));
    const rootKey = nodeCrypto.digest('sha256', root.key);
    const common = { rootKey, issued: AT, until: AT + 30 * DAY };
    expect(facts).toMatchObject([
      { ...common, part: 'tcb-info', subject: `sgx ${subject}`, evaluation: 17 },
      { ...common, part: 'qe-identity', subject: 'sgx', evaluation: 17 },
      { ...common, part: 'pck-crl', evaluation: 0 },
      { ...common, part: 'root-crl', evaluation: 0 },
    ]);
    expect(facts[2]?.subject).toMatch(/^Intel SGX PCK Platform CA [0-9a-f]{16}$/);
    expect(facts[3]?.subject).toMatch(/^Intel SGX Root CA [0-9a-f]{16}$/);
    expect(facts.every(({ chainUntil }) => chainUntil > AT + 365 * DAY)).toBe(true);
  });

  it('of AMD are an intermediate, dated by its validity, and a list', async () => {
    const facts = minted('sev-snp').map((part) => verifyPart(part, nodeCrypto));
    expect(await Promise.all(facts)).toMatchObject([
      { part: 'amd-chain', subject: 'SEV-Genoa', evaluation: 0, issued: Date.UTC(2025, 0, 1) },
      { part: 'root-crl', evaluation: 0, issued: AT, until: AT + 30 * DAY },
    ]);
  });

  it.each(KINDS)('of %s are what its evidence needs, and verify it', async (kind) => {
    const root = rootOf(kind);
    const length = kind.startsWith('azure') ? 32 : kind === 'sgx-dcap' ? 32 : 48;
    const measurement = new Uint8Array(length).fill(3);
    const reportData = new Uint8Array(kind.startsWith('azure') ? 32 : 64).fill(1);
    const evidence = mintEvidence({ root, measurement, reportData, at: AT });
    const facts = await Promise.all(minted(kind).map((part) => verifyPart(part, nodeCrypto)));
    const needs = partsNeeded(evidence, { root: root.root, crypto: nodeCrypto });
    const said = facts.map(({ part, subject }) => ({ part, subject }));
    expect(needs).toEqual(said);
    const options = { crypto: nodeCrypto, roots: [root.root], at: AT + DAY };
    const collateral = collateralOfParts(kind, minted(kind));
    expect(await verifyEvidence(evidence, { ...options, collateral })).toMatchObject({ kind });
  });

  it('travel in a file, and have one digest', () => {
    const parts = minted();
    expect(decodeParts(encodeParts(parts))).toEqual(parts);
    expect(partsFromFiles([{ name: 'a', bytes: encodeParts(parts) }])).toEqual(parts);
    const digests = parts.map((part) => toHex(partDigest(part, nodeCrypto)));
    expect(new Set(digests).size).toBe(parts.length);
  });

  it.each<[string, Cbor]>([
    ['nothing', {}],
    ['no parts', { v: 1, parts: [] }],
    ['a part of another name', { v: 1, parts: [{ ...cbor, part: 'any' }] }],
    ['another field', { v: 1, parts: [{ ...cbor, number: 3 }] }],
    ['no chain', { v: 1, parts: [{ part: 'root-crl', statement: cbor.statement }] }],
    ['something', null],
    ['a statement that is text', { v: 1, parts: [{ ...cbor, statement: 'text' }] }],
    ['a signature that is text', { v: 1, parts: [{ ...cbor, signature: 'text' }] }],
    ['more than a file may hold', { v: 1, parts: Array.from({ length: 65 }, () => cbor) }],
  ])('are not read from %s', (_what, value) => {
    const malformed = expect.objectContaining({ code: 'collateral-malformed' });
    expect(() => decodeParts(encodeCbor(value))).toThrow(malformed);
  });
});

/** The statement signed anew, by a key whose certificate the maker's root has really issued. */
function signedUnder(
  part: CollateralPart,
  subject: string,
  extensions: MintCertificate['extensions'],
): CollateralPart {
  const { keys } = rootOf('sgx-dcap');
  const key = keys['pck'] as Uint8Array;
  const at = { from: AT - DAY, to: AT + 365 * DAY };
  const issuer = {
    name: name('Intel SGX Root CA'),
    key: keys['root'] as Uint8Array,
    scheme: 'ecdsa-p256-sha256' as const,
  };
  const about = { issuer, publicKey: publicOf(key), serial: 7, extensions, ...at };
  const certificate = mintCertificate({ ...about, subject: name(subject) });
  const signature = mintSign('ecdsa-p256-sha256', key, part.statement);
  return { ...part, signature, chain: [certificate, part.chain[1] as Uint8Array] };
}

/** The identity of Intel's enclave that verifies quotes and makes none, truly signed. */
function quoteVerifier(): CollateralPart {
  const identity = one('qe-identity');
  const text = new TextDecoder().decode(identity.statement);
  const statement = utf8(text.replace('"id":"QE"', '"id":"QVE"'));
  const key = rootOf('sgx-dcap').keys['tcb-signer'] as Uint8Array;
  return { ...identity, statement, signature: mintSign('ecdsa-p256-sha256', key, statement) };
}

describe('a part is refused', () => {
  const tcb = one('tcb-info');
  const list = one('root-crl');
  const pck = one('pck-crl');
  const stranger = mintParts(createDevelopmentRoot('sgx-dcap', { seed: new Uint8Array(32) }), {
    at: AT,
    number: 99,
  });
  const identity = one('qe-identity');
  const flipped = (bytes: Uint8Array, at: number) => bytes.map((b, i) => (i === at ? b ^ 1 : b));
  const [signer, root] = tcb.chain as [Uint8Array, Uint8Array];
  const [ca] = pck.chain as [Uint8Array];
  const ask = one('amd-chain', minted('sev-snp'));

  it.each<[string, CollateralPart, string]>([
    ['changed', { ...tcb, statement: flipped(tcb.statement, 60) }, 'tcb-info-signature-invalid'],
    [
      'renumbered',
      { ...tcb, statement: utf8(new TextDecoder().decode(tcb.statement).replace(':17,', ':19,')) },
      'tcb-info-signature-invalid',
    ],
    [
      'signed by the PCK CA, which signs lists only',
      { ...tcb, chain: [ca, root] },
      'certificate-usage-invalid',
    ],
    [
      "with another maker's root above its signer",
      {
        ...tcb,
        chain: [signer, (one('tcb-info', stranger).chain as Uint8Array[])[1] as Uint8Array],
      },
      'certificate-signature-invalid',
    ],
    [
      "with another maker's signer",
      { ...tcb, chain: one('tcb-info', stranger).chain },
      'tcb-info-signature-invalid',
    ],
    ['without its signature', { ...tcb, signature: undefined }, 'collateral-malformed'],
    [
      'with a signature too many',
      { ...list, signature: new Uint8Array(64) },
      'collateral-malformed',
    ],
    ['without its root', { ...tcb, chain: [signer] }, 'collateral-malformed'],
    ['whose chain ends below a root', { ...tcb, chain: [signer, ca] }, 'collateral-malformed'],
    [
      'an identity that was changed',
      { ...identity, statement: flipped(identity.statement, 60) },
      'qe-identity-signature-invalid',
    ],
    ['an identity of what quotes nothing', quoteVerifier(), 'collateral-malformed'],
    [
      'signed by a certificate of another name',
      signedUnder(tcb, 'Intel SGX Something', leafExtensions()),
      'certificate-usage-invalid',
    ],
    [
      'signed by a CA of that name',
      signedUnder(tcb, 'Intel SGX TCB Signing', caExtensions(0)),
      'certificate-usage-invalid',
    ],
    [
      'a list that is signed by no CA',
      { ...pck, chain: signedUnder(tcb, 'Intel SGX PCK Platform CA', leafExtensions()).chain },
      'certificate-usage-invalid',
    ],
    [
      'an intermediate that is no CA',
      {
        part: 'amd-chain',
        statement: signedUnder(tcb, 'SEV-Genoa', leafExtensions()).chain[0] as Uint8Array,
        chain: [root],
      },
      'certificate-usage-invalid',
    ],
    [
      'that is TCB info called an identity',
      { ...tcb, part: 'qe-identity' },
      'qe-identity-malformed',
    ],
    [
      "that is the root's list called the CA's",
      { ...list, part: 'pck-crl', chain: pck.chain },
      'crl-issuer-mismatch',
    ],
    [
      'a list that was changed',
      { ...list, statement: flipped(list.statement, 40) },
      'crl-issuer-mismatch',
    ],
    [
      'a list under an altered root',
      { ...list, chain: [flipped(root, root.length - 1)] },
      'certificate-signature-invalid',
    ],
    [
      'an intermediate that is none of AMD’s',
      { ...ask, statement: ca, chain: [root] },
      'certificate-usage-invalid',
    ],
    ['an intermediate of another root', { ...ask, chain: [root] }, 'certificate-issuer-mismatch'],
  ])('%s', async (_what, part, code) => {
    expect(await codeOf(part)).toBe(code);
  });
});

describe('what makers serve', () => {
  it('is split, whole bundles too, and a re-issued file stands alone', () => {
    const bundle = encodeCollateral(mintCollateral(rootOf('sgx-dcap'), { at: AT, number: 17 }));
    const parts = partsFromFiles([{ name: 'bundle', bytes: bundle }]);
    expect(parts.map(({ part }) => part)).toEqual([
      'tcb-info',
      'qe-identity',
      'pck-crl',
      'root-crl',
    ]);
    const [list] = parts.slice(3) as [CollateralPart];
    const root = { name: 'root', bytes: utf8(writePem(list.chain[0] as Uint8Array)) };
    expect(partsFromFiles([{ name: 'list', bytes: list.statement }, root])).toEqual([list]);
  });

  it('is refused where a statement has no chain', () => {
    const { items } = mintCollateral(rootOf('sgx-dcap'), { at: AT });
    const { 'tcb-info': info, 'tcb-info-signature': signature, 'root-ca-crl': list } = items;
    const lone = { 'tcb-info': info as Uint8Array, 'tcb-info-signature': signature as Uint8Array };
    const malformed = expect.objectContaining({ code: 'collateral-malformed' });
    expect(() => partsOfItems(lone)).toThrow(malformed);
    expect(() => partsOfItems({ 'root-ca-crl': list as Uint8Array })).toThrow(malformed);
    expect(() =>
      partsFromFiles([{ name: 'leaf', bytes: minted()[0]?.chain[1] as Uint8Array }]),
    ).toThrow(malformed);
  });
});

describe.skipIf(!hasShared)('captured bundles of Intel [skip: shared]', () => {
  const folder = new URL('bundles/', SHARED);
  const files = hasShared ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const rootKey = nodeCrypto.digest('sha256', INTEL_SGX_ROOT.key);

  it.each(files)('%s is four parts of its root, none above 10,000 bytes', async (name) => {
    const { collateral } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as {
      collateral: object;
    };
    const parts = partsFromFiles([{ name, bytes: utf8(JSON.stringify({ collateral })) }]);
    const facts = await Promise.all(parts.map((part) => verifyPart(part, nodeCrypto)));
    expect(facts.map(({ part }) => part)).toEqual(PART_NAMES.slice(0, 4));
    for (const [i, fact] of facts.entries()) {
      expect(fact.rootKey).toEqual(rootKey);
      expect(encodeParts([parts[i] as CollateralPart]).length).toBeLessThan(10_000);
      // The list of the root lasts a year and some days; everything else a month or, in 2022, five.
      const days = (fact.until - fact.issued) / DAY;
      expect(days).toBeLessThanOrEqual(fact.part === 'root-crl' ? 380 : 150);
    }
    const numbers = facts.slice(0, 2).map(({ evaluation }) => evaluation);
    expect(name).toContain(`eval${numbers[0]}`);
    expect(numbers.every((number) => number >= 12 && number <= 21)).toBe(true);
  });
});
