// SPDX-License-Identifier: Apache-2.0
// A machine with a real software TPM as a platform: its quotes verify as evidence, here and by
// another implementation, and whatever changed since enrolment is refused. A start is a boot.
import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeCbor, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { appraise, openPolicy, type Root, verifyEvidence } from '@cloister/evidence';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SoftwareTpms } from '../../testing/software-tpms.ts';
import type { Hardware } from '../hardware.ts';
import { TpmClient } from './client.ts';
import type { EnrolledTpm } from './enrol.ts';
import { tpmPlatform } from './platform.ts';
import { measurementOnTpm, PROGRAM_REGISTER } from './registers.ts';
import { startSoftwareTpm } from './software.ts';
import { streamTransport } from './transport.ts';

const PROGRAM = new TextEncoder().encode('an encoded manifest');
const tpms = new SoftwareTpms();

beforeAll(() => tpms.make());
afterEach(() => tpms.settle());
afterAll(() => tpms.remove());

async function loaded(of: EnrolledTpm, program = PROGRAM): Promise<Hardware> {
  const { hardware, registers } = of;
  const hw = await tpmPlatform({ open: () => tpms.boot(), hardware, registers }).load(program);
  return tpms.keep(hw);
}

function verify(bytes: Uint8Array, root: Root) {
  const options = { crypto: nodeCrypto, roots: [root], collateral: null, at: tpms.at };
  return verifyEvidence({ kind: 'tpm2', bytes }, options);
}

describe('a TPM as a platform', () => {
  it('quotes what verifies as evidence of the program that was loaded', async () => {
    const of = await tpms.enrolled();
    const hw = await loaded(of);
    const reportData = new Uint8Array(32).fill(9);
    const claims = await verify(await hw.quote(reportData), of.root);
    expect(claims.measurement).toEqual(measurementOnTpm(nodeCrypto, of.registers, PROGRAM));
    expect(claims.measurement).toEqual(hw.measurement);
    expect(claims.reportData).toEqual(reportData);
    expect(claims.hardwareId.value).toEqual(of.hardware);
    expect(claims).toMatchObject({
      family: 'tpm2:bank',
      trust: 'simulated',
      binding: 'report-data',
    });
    expect(claims.weaknesses).toContain('host-memory-unprotected');
    const other = measurementOnTpm(nodeCrypto, of.registers, PROGRAM.slice(1));
    const { checks } = appraise(claims, { ...openPolicy(), measurements: [other] });
    const failed = checks.find((check) => check.status === 'contraindicated');
    expect(failed?.code).toBe('measurement-not-allowed');
  });

  it('quotes what tpm2-tools, another implementation, accepts too', async () => {
    const of = await tpms.enrolled();
    const reportData = new Uint8Array(32).fill(9);
    const bytes = await (await loaded(of)).quote(reportData);
    const { attest, sig, ak } = decodeCbor(bytes) as Record<string, Uint8Array>;
    const key = createPublicKey({ key: Buffer.from(ak ?? []), format: 'der', type: 'spki' });
    const at = (name: string) => join(tpms.folder, name);
    writeFileSync(at('ak.pem'), key.export({ format: 'pem', type: 'spki' }));
    writeFileSync(at('attest'), attest ?? '');
    writeFileSync(at('signature'), sig ?? '');
    const check = (data: Uint8Array) =>
      promisify(execFile)(process.env['CLOISTER_TPM2'] ?? 'tpm2', [
        ...['checkquote', '--public', at('ak.pem'), '--message', at('attest')],
        ...['--signature', at('signature'), '--qualification', toHex(data)],
      ]);
    await check(reportData);
    await expect(check(new Uint8Array(32))).rejects.toThrow(/qualification|nonce|extraData/i);
  });

  it('counts boots, and begins each with fresh registers', async () => {
    const of = await tpms.enrolled();
    const counts: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const hw = await loaded(of);
      counts.push((await verify(await hw.quote(new Uint8Array(32)), of.root)).extra['resetCount']);
      await hw.close?.();
    }
    expect(Number(counts[1])).toBe(Number(counts[0]) + 1);
  });

  it('does not pass a quote of an earlier boot for one that was asked for now', async () => {
    const of = await tpms.enrolled();
    const before = await loaded(of);
    const replayed = await before.quote(new Uint8Array(32).fill(1));
    await before.close?.();
    await loaded(of);
    const claims = await verify(replayed, of.root);
    const policy = { ...openPolicy(), reportData: new Uint8Array(32).fill(2) };
    const failed = appraise(claims, policy).checks.find((c) => c.status === 'contraindicated');
    expect(failed?.code).toBe('report-data-mismatch');
  });

  it('loads one program a boot', async () => {
    const of = await tpms.enrolled();
    const tpm = await tpms.boot();
    // It stays up, as a TPM on a board does, and what failed attempts load must be given back.
    const stays = { value: async () => undefined, configurable: true };
    Object.defineProperty(tpm, 'close', stays);
    try {
      const platform = tpmPlatform({ ...of, open: async () => tpm });
      await platform.load(PROGRAM);
      for (let i = 0; i < 5; i++) {
        await expect(platform.load(PROGRAM)).rejects.toMatchObject({
          code: 'tpm-registers-changed',
          details: { registers: ['15'] },
        });
      }
    } finally {
      Reflect.deleteProperty(tpm, 'close');
    }
  });

  it('is not loaded after another boot chain, nor on another TPM', async () => {
    const of = await tpms.enrolled();
    const tpm = await tpms.boot();
    await tpm.extend(4, new Uint8Array(32).fill(1));
    const other = tpmPlatform({ ...of, open: async () => tpm }).load(PROGRAM);
    await expect(other).rejects.toMatchObject({
      code: 'tpm-registers-changed',
      details: { registers: ['4'] },
    });
    const foreign = tpmPlatform({ ...of, open: () => tpms.boot(tpms.another) }).load(PROGRAM);
    await expect(foreign).rejects.toMatchObject({ code: 'tpm-key-mismatch' });
  });

  it('stops quoting once a register was extended beside it', async () => {
    const of = await tpms.enrolled();
    const tpm = await tpms.boot();
    const hw = await tpmPlatform({ ...of, open: async () => tpm }).load(PROGRAM);
    await hw.quote(new Uint8Array(32));
    await tpm.extend(PROGRAM_REGISTER, new Uint8Array(32).fill(1));
    await expect(hw.quote(new Uint8Array(32))).rejects.toMatchObject({
      code: 'tpm-registers-changed',
    });
  });

  it('is not believed under another key, nor with one bit changed', async () => {
    const of = await tpms.enrolled();
    const bytes = await (await loaded(of)).quote(new Uint8Array(32));
    const theirs = await tpms.boot(tpms.another);
    const { root } = await tpms.enrol(theirs, tpms.theirAuthority);
    await expect(verify(bytes, root)).rejects.toMatchObject({ code: 'root-untrusted' });
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ 1;
      const outcome = await verify(changed, of.root).catch((error: unknown) => error);
      expect(isCoded(outcome), `byte ${at}`).toBe(true);
    }
  });

  it('is lost when the TPM is, and says so', async () => {
    const of = await tpms.enrolled();
    const running = await startSoftwareTpm(tpms.mine);
    const tpm = new TpmClient(streamTransport(running.stream));
    const hw = await tpmPlatform({ ...of, open: async () => tpm }).load(PROGRAM);
    process.kill(running.pid, 'SIGKILL');
    await expect(hw.quote(new Uint8Array(32))).rejects.toMatchObject({ code: 'tpm-unavailable' });
    await running.stop();
  });
});
