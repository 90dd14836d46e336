// SPDX-License-Identifier: Apache-2.0
// Enrolment on a real software TPM: what it proves, that it leaves nothing behind, and every lie
// that it must see through.
import { equal } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { parseTpmPublic, tpmName } from '@cloister/evidence';
import { ATTRIBUTE, challengeActivation } from '@cloister/evidence/tpm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SoftwareTpms } from '../../testing/software-tpms.ts';
import type { TpmClient } from './client.ts';
import type { EnrollableTpm } from './enrol.ts';
import { PROGRAM_REGISTER } from './registers.ts';
import { akTemplate, EK_PROFILES, type EkProfile } from './templates.ts';

const tpms = new SoftwareTpms();

beforeAll(() => tpms.make());
afterEach(() => tpms.settle());
afterAll(() => tpms.remove());

/** A TPM that answers as the real one, but for what `lies` says. */
function lying(tpm: TpmClient, lies: Partial<EnrollableTpm>): EnrollableTpm {
  return {
    activateCredential: (keys, credential) => tpm.activateCredential(keys, credential),
    createPrimary: (template) => tpm.createPrimary(template),
    ekCertificate: (profile) => tpm.ekCertificate(profile),
    flush: (handle) => tpm.flush(handle),
    registers: (indexes) => tpm.registers(indexes),
    ...lies,
  };
}

describe('enrolment', () => {
  it.each(['ecc-p384', 'rsa-2048'] as const)(
    'by the %s endorsement key proves whose TPM it is, without leaving anything in it',
    async (profile) => {
      const tpm = await tpms.boot();
      // Three objects fit into a TPM without a resource manager: a leak shows at the second turn.
      for (let i = 0; i < 5; i++) {
        const { root, proved, registers } = await tpms.enrol(tpm, { profile });
        expect(root).toMatchObject({ family: 'tpm2:bank', trust: 'simulated', kinds: ['tpm2'] });
        expect(root.source).toContain('swtpm-localca-rootca');
        expect(proved).toHaveLength(4);
        expect([...registers.keys()]).toHaveLength(15);
        expect(registers.get(PROGRAM_REGISTER)).toEqual(new Uint8Array(32));
      }
    },
  );

  it('gives the same key after every boot', async () => {
    const [one, two] = [await tpms.enrolled(), await tpms.enrolled()];
    expect(one.hardware).toEqual(two.hardware);
  });

  it('finds no certificate where the TPM has none', async () => {
    const attempt = tpms.enrol(await tpms.boot(), { profile: 'ecc-p256' });
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-no-certificate' });
  });

  it('activates by the P-256 key too, which wants a policy session', async () => {
    const tpm = await tpms.boot();
    const profile = EK_PROFILES[0] as EkProfile;
    const [ek, ak] = [
      await tpm.createPrimary(profile.template),
      await tpm.createPrimary(akTemplate()),
    ];
    const name = tpmName(nodeCrypto, parseTpmPublic(ak.publicArea));
    const challenge = challengeActivation(parseTpmPublic(ek.publicArea), name);
    const keys = { ak, ek, auth: profile.auth };
    expect(await tpm.activateCredential(keys, challenge)).toEqual(challenge.secret);
    const other = challengeActivation(
      parseTpmPublic(ek.publicArea),
      name.map((b) => b ^ 1),
    );
    // Sessions are few: those of refused commands must be given back.
    for (let i = 0; i < 70; i++) {
      await expect(tpm.activateCredential(keys, other)).rejects.toMatchObject({
        code: 'tpm-refused',
      });
    }
    expect(await tpm.activateCredential(keys, challenge)).toEqual(challenge.secret);
  });

  it.each([
    ['under no named root', { roots: [] }, 'root-untrusted'],
    ['without the issuer', { issuers: [] }, 'root-untrusted'],
    ['before the certificate begins', { at: Date.UTC(2020, 0, 1) }, 'certificate-not-yet-valid'],
  ])('is refused %s', async (_what, change, code) => {
    await expect(tpms.enrol(await tpms.boot(), change)).rejects.toMatchObject({ code });
  });

  it('is refused with the certificate of another TPM', async () => {
    const tpm = await tpms.boot();
    const theirs = await tpms.boot(tpms.another);
    const liar = lying(tpm, { ekCertificate: (profile) => theirs.ekCertificate(profile) });
    await expect(tpms.enrol(liar, tpms.theirAuthority)).rejects.toMatchObject({
      code: 'tpm-key-mismatch',
    });
  });

  it('is refused for an attestation key that is not in the TPM', async () => {
    const tpm = await tpms.boot();
    const theirs = await tpms.boot(tpms.another);
    const foreign = await theirs.createPrimary(akTemplate());
    const liar = lying(tpm, {
      createPrimary: async (template) => {
        const made = await tpm.createPrimary(template);
        const isAk = equal(template, akTemplate());
        return isAk ? { ...made, publicArea: foreign.publicArea } : made;
      },
    });
    await expect(tpms.enrol(liar)).rejects.toMatchObject({ code: 'tpm-activation-failed' });
  });

  it('is refused when the secret that comes back is another', async () => {
    const tpm = await tpms.boot();
    const liar = lying(tpm, {
      activateCredential: async (keys, credential) =>
        (await tpm.activateCredential(keys, credential)).map((byte) => byte ^ 1),
    });
    await expect(tpms.enrol(liar)).rejects.toMatchObject({ code: 'tpm-activation-failed' });
  });

  it.each(['restricted', 'fixedTpm', 'sensitiveDataOrigin'] as const)(
    'is refused for an attestation key that is not %s',
    async (attribute) => {
      const tpm = await tpms.boot();
      const liar = lying(tpm, {
        createPrimary: async (template) => {
          const made = await tpm.createPrimary(template);
          if (!equal(template, akTemplate())) return made;
          const publicArea = made.publicArea.slice();
          const { attributes } = parseTpmPublic(publicArea);
          new DataView(publicArea.buffer).setUint32(4, attributes & ~ATTRIBUTE[attribute]);
          return { ...made, publicArea };
        },
      });
      await expect(tpms.enrol(liar)).rejects.toMatchObject({ code: 'evidence-field-invalid' });
    },
  );
});
