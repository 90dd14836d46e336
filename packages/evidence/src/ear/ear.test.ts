// SPDX-License-Identifier: Apache-2.0
// EARs that we issue verify, under their key and algorithm only; the shared claims sets are read as
// recorded; anything changed is refused with a code.
import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isCoded, toBase64Url, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { appraise } from '../appraise.ts';
import { createDevelopmentRoot, mintEvidence } from '../minting.ts';
import { openPolicy } from '../policy.ts';
import { verifyEvidence } from '../verify.ts';
import { type EarKey, type EarRequest, issueEar, parseEarClaims, verifyEar } from './ear.ts';

const AT = Date.UTC(2026, 0, 15);
const SHARED = new URL('../../../../../shared/vectors/eat/veraison-ear/arc/data/', import.meta.url);
const hasShared = existsSync(SHARED);

async function request(debug: 'never' | 'any'): Promise<EarRequest> {
  const root = createDevelopmentRoot('op-tee', { seed: new Uint8Array(32).fill(1) });
  const measurement = new Uint8Array(32).fill(2);
  const minted = { root, measurement, reportData: new Uint8Array(64), at: AT };
  const options = { crypto: nodeCrypto, collateral: null, roots: [root.root], at: AT };
  const claims = await verifyEvidence(mintEvidence(minted), options);
  const measurements = debug === 'any' ? [measurement] : [new Uint8Array(32)];
  const appraisal = appraise(claims, { ...openPolicy(), debug, measurements });
  const ids = { policyId: 'policy-1', developer: 'cloister', build: '0.1.0' };
  return { name: 'worker', claims, appraisal, ...ids, at: AT };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'verified';
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

describe('an EAR', () => {
  const signer = ephemeralEd25519Signer();
  const key: EarKey = { alg: 'EdDSA', key: signer.key };

  it('signed with Ed25519 says what was appraised', async () => {
    const ear = await verifyEar(nodeCrypto, await issueEar(await request('any'), signer), key);
    expect(ear).toMatchObject({ issuedAt: AT, developer: 'cloister', build: '0.1.0' });
    const { worker } = ear.submodules;
    expect(worker?.status).toBe('affirming');
    expect(worker?.vector).toMatchObject({ executables: 2, hardware: 2 });
    expect(worker?.members['cloister.evidence']).toMatchObject({ trust: 'simulated' });
  });

  it('names what failed', async () => {
    const ear = await verifyEar(nodeCrypto, await issueEar(await request('never'), signer), key);
    const { worker } = ear.submodules;
    expect(worker).toMatchObject({ status: 'contraindicated', vector: { executables: 96 } });
    expect(worker?.members['cloister.checks']).toMatchObject([{ code: 'measurement-not-allowed' }]);
  });

  it('signed with P-256 verifies under that key only', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const token = await issueEar(await request('any'), {
      alg: 'ES256',
      sign: async (data) =>
        sign('sha256', data, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }),
    });
    const spki = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }));
    expect(await codeOf(verifyEar(nodeCrypto, token, { alg: 'ES256', spki }))).toBe('verified');
    expect(await codeOf(verifyEar(nodeCrypto, token, key))).toBe('ear-signature-invalid');
  });

  it('is refused when changed, cut, or signed with nothing', async () => {
    const token = await issueEar(await request('any'), signer);
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const none = toBase64Url(utf8('{"alg":"none"}'));
    const swapped = `${header}.${toBase64Url(utf8('{}'))}.${signature}`;
    const changed = `${header}.${payload}A.${signature}`;
    const verify = (text: string) => codeOf(verifyEar(nodeCrypto, text, key));
    expect(await verify(swapped)).toBe('ear-signature-invalid');
    expect(['ear-malformed', 'base64-malformed', 'ear-signature-invalid']).toContain(
      await verify(changed),
    );
    expect(await verify(`${none}.${payload}.`)).toBe('ear-signature-invalid');
    expect(await verify(`${header}.${payload}`)).toBe('ear-malformed');
    expect(await verify('a.b.c')).not.toBe('verified');
    const other = { alg: 'EdDSA', key: ephemeralEd25519Signer().key } as const;
    expect(await codeOf(verifyEar(nodeCrypto, token, other))).toBe('ear-signature-invalid');
  });
});

describe.skipIf(!hasShared)('shared claims sets [skip: shared]', () => {
  it.each([
    ['ear-claims.json', 'affirming'],
    ['ear-claims-tv-ok.json', 'affirming'],
    ['ear-claims-extension-ok.json', 'affirming'],
    ['ear-claims-key-attestation-ok.json', 'affirming'],
    ['ear-claims-key-attestation-ko.json', 'ear-malformed'],
  ])('%s: %s', async (name, wanted) => {
    const json = JSON.parse(readFileSync(new URL(name, SHARED), 'utf8'));
    let status = '';
    const code = await codeOf(
      Promise.resolve().then(() => {
        status = Object.values(parseEarClaims(json).submodules)[0]?.status ?? '';
      }),
    );
    expect(code === 'verified' ? status : code).toBe(wanted);
  });
});
