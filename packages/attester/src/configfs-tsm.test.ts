// SPDX-License-Identifier: Apache-2.0
// configfs-tsm on a fake that keeps the kernel's rules and mints: what comes out verifies as the
// evidence that real machines give, and every way in which it can fail has its code.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { verifyEvidence } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  hardwareIdOf,
  mintCollateral,
  mintEvidence,
  mintedMeasurement,
} from '@cloister/evidence/mint';
import { describe, expect, it } from 'vitest';
import { errno, FakeConfigfs, type FakeDriver } from '../testing/fake-configfs.ts';
import { type TsmOptions, tsmPlatform } from './configfs-tsm.ts';

const FOLDER = '/sys/kernel/config/tsm/report';
const AT = Date.now();
const NO_PROGRAM = new Uint8Array(0);
const REPORT_BYTES = 1184;
const roots = {
  'tdx-dcap': createDevelopmentRoot('tdx-dcap'),
  'sev-snp': createDevelopmentRoot('sev-snp'),
};
type Kind = keyof typeof roots;
const image = new Uint8Array(48).fill(0x4d);

function minted(kind: Kind, reportData: Uint8Array, measurement = image): Uint8Array {
  return mintEvidence({ root: roots[kind], measurement, reportData, at: AT }).bytes;
}

/** A guest whose driver hands the report to the host's hardware. */
function driver(kind: Kind, change: Partial<FakeDriver> = {}): FakeDriver {
  const isSnp = kind === 'sev-snp';
  return {
    provider: isSnp ? 'sev_guest' : 'tdx_guest',
    hasAuxblob: isSnp,
    report: (inblob) => {
      const bytes = minted(kind, inblob);
      if (!isSnp) return { outblob: bytes };
      return { outblob: bytes.subarray(0, REPORT_BYTES), auxblob: bytes.subarray(REPORT_BYTES) };
    },
    ...change,
  };
}

function guest(kind: Kind, change: Partial<FakeDriver> = {}, options: TsmOptions = {}) {
  const files = new FakeConfigfs(FOLDER, driver(kind, change));
  return { files, platform: tsmPlatform({ files, ...options }) };
}

describe.each(['tdx-dcap', 'sev-snp'] as const)('a confidential VM: %s', (kind) => {
  it('knows itself, and its evidence over report data verifies', async () => {
    const { files, platform } = guest(kind);
    const hw = await platform.load(NO_PROGRAM);
    const reportData = new Uint8Array(64).fill(7);
    const bytes = await hw.quote(reportData);
    const root = roots[kind];
    const collateral = mintCollateral(root, { at: AT });
    const options = { crypto: nodeCrypto, collateral, roots: [root.root], at: AT + 1_000 };
    const claims = await verifyEvidence({ kind, bytes }, options);
    expect(hw).toMatchObject({ tee: kind, reportDataLength: 64 });
    expect(claims.reportData).toEqual(reportData);
    expect(toHex(claims.measurement)).toBe(toHex(hw.measurement));
    expect(toHex(claims.measurement)).toBe(toHex(mintedMeasurement(kind, image)));
    expect(toHex(claims.hardwareId.value)).toBe(toHex(hw.hardware));
    expect(toHex(hw.hardware)).toBe(toHex(hardwareIdOf(root)));
    expect(files.entries.size).toBe(0);
  });

  it('takes an entry of its own for each report', async () => {
    const { files, platform } = guest(kind);
    const seen = new Set<string>();
    files.interfere = (_what, entry) => seen.add(entry);
    const hw = await platform.load(NO_PROGRAM);
    await Promise.all([1, 2, 3].map((byte) => hw.quote(new Uint8Array(64).fill(byte))));
    expect(seen.size).toBe(4);
  });

  it.each([0, 32, 63, 65])('is not asked with %i bytes of report data', async (length) => {
    const hw = await guest(kind).platform.load(NO_PROGRAM);
    const attempt = hw.quote(new Uint8Array(length));
    await expect(attempt).rejects.toMatchObject({ code: 'quote-refused' });
  });

  it.each(['read outblob', 'read generation', 'write inblob'])(
    'notices another process that writes before our %s',
    async (when) => {
      const { files, platform } = guest(kind);
      let times = 0;
      files.interfere = (what, path) => {
        // The first read of the counter is before our own write; race the second.
        times += what === when ? 1 : 0;
        if (times !== (when === 'read generation' ? 2 : 1)) return;
        files.interfere = () => undefined;
        void files.write(`${path}/inblob`, new Uint8Array(64).fill(0xee));
      };
      await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({ code: 'tsm-raced' });
      expect(files.entries.size).toBe(0);
    },
  );

  it('does not hand on evidence over other report data', async () => {
    const other = new Uint8Array(64).fill(0xee);
    const { platform, files } = guest(kind, { report: () => driver(kind).report(other, 0) });
    await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({ code: 'quote-mismatch' });
    expect(files.entries.size).toBe(0);
  });

  it('does not go on as another machine than it began as', async () => {
    let measurement = image;
    const { platform } = guest(kind, {
      report: (inblob) => {
        const bytes = minted(kind, inblob, measurement);
        const cut = kind === 'sev-snp' ? REPORT_BYTES : bytes.length;
        return { outblob: bytes.subarray(0, cut), auxblob: bytes.subarray(cut) };
      },
    });
    const hw = await platform.load(NO_PROGRAM);
    measurement = new Uint8Array(48).fill(0x4e);
    const attempt = hw.quote(new Uint8Array(64));
    await expect(attempt).rejects.toMatchObject({ code: 'quote-mismatch' });
  });

  it.each([
    ['EINVAL', 'policy'],
    ['EIO', 'policy'],
    ['ENXIO', 'policy'],
    ['EBUSY', 'unavailable'],
    ['ETIMEDOUT', 'unavailable'],
    ['EINTR', 'unavailable'],
  ])('says that the driver answered %s', async (code, errorKind) => {
    const report = () => {
      throw errno(code);
    };
    const { platform, files } = guest(kind, { report });
    await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({
      code: errorKind === 'policy' ? 'tsm-refused' : 'tsm-busy',
      kind: errorKind,
      details: { errno: code },
    });
    expect(files.entries.size).toBe(0);
  });

  it.each([
    ['nothing', new Uint8Array(0), 'evidence-malformed'],
    ['half a report', minted(kind, new Uint8Array(64)).subarray(0, 600), 'evidence-malformed'],
    ['more than any report has', new Uint8Array(70_000), 'tsm-response-malformed'],
  ])('refuses %s in outblob', async (_what, outblob, code) => {
    const { platform } = guest(kind, { report: () => ({ outblob }) });
    await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({ code });
  });

  it('gives up on a kernel that does not answer', async () => {
    const { files } = guest(kind);
    const read = files.read.bind(files);
    files.read = (path) => (path.endsWith('outblob') ? new Promise(() => undefined) : read(path));
    const attempt = tsmPlatform({ files, timeoutMs: 30 }).load(NO_PROGRAM);
    await expect(attempt).rejects.toMatchObject({ code: 'tsm-unavailable' });
    expect(files.entries.size).toBe(0);
  });
});

describe('configfs-tsm', () => {
  it.each(['arm_cca_guest', '', 'tdx_guest\u0000x', 'constructor'])(
    'refuses the provider %j',
    async (provider) => {
      const { platform, files } = guest('tdx-dcap', { provider });
      await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({
        code: 'tsm-provider-unsupported',
      });
      expect(files.entries.size).toBe(0);
    },
  );

  it('refuses evidence of another make than the provider says', async () => {
    const { platform } = guest('tdx-dcap', { report: driver('sev-snp').report });
    await expect(platform.load(NO_PROGRAM)).rejects.toMatchObject({
      code: 'evidence-key-type-unsupported',
    });
  });

  it('passes the privilege level on, and counts it as a write', async () => {
    const levels: number[] = [];
    const { report } = driver('sev-snp');
    const { platform } = guest(
      'sev-snp',
      {
        report: (inblob, level) => {
          levels.push(level);
          return report(inblob, level);
        },
      },
      { privlevel: 2 },
    );
    await platform.load(NO_PROGRAM);
    expect(levels).toEqual([2]);
    const four = guest('sev-snp', {}, { privlevel: 4 }).platform;
    await expect(four.load(NO_PROGRAM)).rejects.toMatchObject({ code: 'tsm-refused' });
    const onTdx = guest('tdx-dcap', {}, { privlevel: 0 }).platform;
    await expect(onTdx.load(NO_PROGRAM)).rejects.toMatchObject({ code: 'tsm-refused' });
  });

  it('takes a report without certificates: its verifier needs them as collateral', async () => {
    const { platform } = guest('sev-snp', {
      report: (inblob) => ({ outblob: minted('sev-snp', inblob).subarray(0, REPORT_BYTES) }),
    });
    const bytes = await (await platform.load(NO_PROGRAM)).quote(new Uint8Array(64));
    expect(bytes).toHaveLength(REPORT_BYTES);
  });

  it('says what is missing where there is none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-tsm-'));
    try {
      const absent = tsmPlatform({ folder: join(folder, 'tsm/report') }).load(NO_PROGRAM);
      await expect(absent).rejects.toMatchObject({
        code: 'tsm-unavailable',
        message: expect.stringContaining('ENOENT'),
      });
      // A plain folder is no configfs: the entry is made and has no attributes.
      const plain = tsmPlatform({ folder }).load(NO_PROGRAM);
      await expect(plain).rejects.toMatchObject({ code: 'tsm-refused' });
    } finally {
      rmSync(folder, { recursive: true });
    }
    const files = new FakeConfigfs(FOLDER);
    const noDriver = tsmPlatform({ files }).load(NO_PROGRAM);
    await expect(noDriver).rejects.toMatchObject({ code: 'tsm-unavailable' });
  });
});
