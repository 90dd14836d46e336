// SPDX-License-Identifier: Apache-2.0
// On a real software TPM: its endorsement certificate verifies to its maker's root, credential
// activation enrols its attestation key, its quotes verify as evidence, and extending a register
// changes what they prove. What it will not do is tried too.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeCbor, equal, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rootFromCertificate, rootFromKey } from '../roots/make.ts';
import { verifyEvidence } from '../verify.ts';
import { ALG, ATTRIBUTE } from './constants.ts';
import { challengeActivation, checkAkAttributes, verifyEkChain } from './credential.ts';
import { parseTpmPublic, tpmName } from './structures.ts';
import { AK_ATTRIBUTES, removeTpm, TestTpm, type TpmObject } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'cloister-tpm-'));
let tpm: TestTpm;
let ek: TpmObject;
let ak: TpmObject;

beforeAll(async () => {
  tpm = await TestTpm.start(folder, {
    swtpm: process.env['CLOISTER_SWTPM'] ?? 'swtpm',
    setup: process.env['CLOISTER_SWTPM_SETUP'] ?? 'swtpm_setup',
  });
  ek = await tpm.createEk();
  ak = await tpm.createAk();
});

afterAll(() => {
  tpm?.close();
  removeTpm(folder);
});

/** Our envelope around a fresh quote. */
async function evidence(reportData: Uint8Array): Promise<Uint8Array> {
  const pcrs = await tpm.pcrs();
  const { attest, signature } = await tpm.quote(ak, reportData);
  return encodeCbor({
    v: 1,
    attest,
    sig: signature,
    ak: parseTpmPublic(ak.publicArea).spki,
    pcrs: [[ALG.sha256, pcrs.map((value, index) => [index, value])]],
    chain: [],
    log: new Uint8Array(0),
  });
}

function verify(bytes: Uint8Array) {
  const root = rootFromKey(nodeCrypto, parseTpmPublic(ak.publicArea).spki, {
    family: 'tpm2:tester',
    kinds: ['tpm2'],
    trust: 'simulated',
    source: 'a software TPM',
  });
  const options = { crypto: nodeCrypto, roots: [root], collateral: null, at: Date.now() };
  return verifyEvidence({ kind: 'tpm2', bytes }, options);
}

describe('a software TPM', () => {
  it("has an endorsement certificate under its maker's root, for the key that it has", async () => {
    const certificate = await tpm.ekCertificate();
    const root = rootFromCertificate(nodeCrypto, tpm.issuers.at(-1) as Uint8Array, {
      family: 'tpm2:swtpm',
      kinds: ['tpm2'],
      trust: 'simulated',
      source: 'the CA of a software TPM',
    });
    const chain = [certificate, ...tpm.issuers];
    const context = { crypto: nodeCrypto, roots: [root], at: Date.now() };
    const verified = await verifyEkChain(context, chain);
    expect(verified.spki).toEqual(parseTpmPublic(ek.publicArea).spki);
    const early = { ...context, at: Date.now() - 10 * 365 * 86_400_000 };
    await expect(verifyEkChain(early, chain)).rejects.toThrow(/valid from/);
    await expect(verifyEkChain({ ...context, roots: [] }, chain)).rejects.toThrow('named root');
  });

  it('opens a challenge for its attestation key, and for no other name', async () => {
    const ekPublic = parseTpmPublic(ek.publicArea);
    const akPublic = parseTpmPublic(ak.publicArea);
    checkAkAttributes(akPublic);
    const challenge = challengeActivation(ekPublic, tpmName(nodeCrypto, akPublic));
    expect(await tpm.activate(ak, ek, challenge)).toEqual(challenge.secret);
    const other = tpmName(nodeCrypto, ekPublic);
    await expect(tpm.activate(ak, ek, challengeActivation(ekPublic, other))).rejects.toThrow();
  });

  it('quotes what verifies as evidence over our report data', async () => {
    const reportData = new Uint8Array(32).fill(9);
    const claims = await verify(await evidence(reportData));
    expect(claims.reportData).toEqual(reportData);
    expect(claims.measurement).toHaveLength(32);
    expect(claims.measurements['pcr0']).toEqual((await tpm.pcrs())[0]);
  });

  it('proves another measurement once a register is extended', async () => {
    const before = await verify(await evidence(new Uint8Array(32)));
    await tpm.extend(7, new Uint8Array(32).fill(1));
    const after = await verify(await evidence(new Uint8Array(32)));
    expect(equal(before.measurement, after.measurement)).toBe(false);
    const old = (await tpm.pcrs())[7] as Uint8Array;
    const wanted = nodeCrypto.digest(
      'sha256',
      before.measurements['pcr7'] as Uint8Array,
      new Uint8Array(32).fill(1),
    );
    expect(old).toEqual(wanted);
  });

  it('is not believed with a changed quote or changed registers', async () => {
    const bytes = await evidence(new Uint8Array(32));
    for (const at of [60, bytes.length - 5]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ 1;
      let refused = false;
      try {
        await verify(changed);
      } catch (error) {
        refused = isCoded(error);
      }
      expect(refused, `${at}`).toBe(true);
    }
  });

  it('makes keys that are not restricted, which enrolment refuses', async () => {
    const weak = parseTpmPublic(ak.publicArea).attributes;
    expect(weak & ATTRIBUTE.restricted).not.toBe(0);
    const loose = AK_ATTRIBUTES & ~ATTRIBUTE.restricted;
    const other = await tpm.createAk(loose);
    expect(() => checkAkAttributes(parseTpmPublic(other.publicArea))).toThrow(/restricted/);
  });
});
