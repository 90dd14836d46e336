// SPDX-License-Identifier: Apache-2.0
// Launches real processes: small programs in a clone of their own, which use this package's build.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { MEASUREMENT_LENGTH, REPORT_DATA_LENGTH, verifyEvidence } from '@cloister/evidence';
import { createDevelopmentRoot, mintCollateral, mintEvidence } from '@cloister/evidence/mint';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FakeConfigfs } from '../testing/fake-configfs.ts';
import { TSM_REPORT_FOLDER, tsmPlatform } from './configfs-tsm.ts';
import { type NodeSpec, type RunningNode, runUntilSignal, startNode } from './launcher.ts';
import { MAKES, type Make, measureProgram, simulatedPlatform } from './simulated.ts';

const DIST = new URL('../dist/index.js', import.meta.url).href;
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const MINT = new URL('../../evidence/dist/minting.js', import.meta.url).href;
const SECRET = 'configuration-nobody-else-sees';
const started: RunningNode[] = [];
let root: string;
const developmentRoots = {
  sgx: createDevelopmentRoot(MAKES.sgx),
  snp: createDevelopmentRoot(MAKES.snp),
  optee: createDevelopmentRoot(MAKES.optee),
};

/** Quotes what the configuration asks for, and says what it saw of itself. */
const PROGRAM = `
import { launchedNode } from '@cloister/attester/node';
const node = await launchedNode();
if (node.config.fail) { await node.failed('told to fail'); process.exit(3); }
const data = new Uint8Array(node.attester.reportDataLength).fill(node.config.byte);
const { evidence } = await node.attester.quote(data);
const refused = await node.attester.signJoin(new Uint8Array(5)).catch((e) => e.code);
node.lost.then(() => process.exit(9));
process.on('SIGTERM', () => { if (!node.config.stubborn) process.exit(0); });
await node.ready({
  evidence: Buffer.from(evidence).toString('base64'),
  tee: node.attester.tee,
  refused,
  argv: process.argv,
  env: process.env,
});
setInterval(() => undefined, 1000);
`;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-launcher-'));
  await mkdir(join(root, 'packages/keeper/dist'), { recursive: true });
  await symlink(MODULES, join(root, 'node_modules'));
  await writeFile(join(root, 'packages/keeper/package.json'), '{"type": "module"}');
  await writeFile(join(root, 'packages/keeper/dist/main.js'), PROGRAM);
  return () => rm(root, { recursive: true });
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((node) => node.stop(500)));
});

function spec(make: Make, config: Record<string, unknown> = {}): NodeSpec {
  return {
    platform: simulatedPlatform({ make, developmentRoot: developmentRoots[make] }),
    role: 'keeper',
    root,
    config: { byte: 0x5a, secret: SECRET, ...config },
    operator: { id: 'bank', signer: ephemeralEd25519Signer() },
    genesis: new Uint8Array(32),
    environment: 'keeper',
    stdio: { stdout: 'ignore', stderr: 'ignore' },
  };
}

async function start(make: Make, config: Record<string, unknown> = {}): Promise<RunningNode> {
  const node = await startNode(spec(make, config));
  started.push(node);
  return node;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a launched node', () => {
  it.each(Object.keys(MAKES) as Make[])(
    'gets evidence of the measured program that verifies: %s',
    async (make) => {
      const node = await start(make);
      const kind = MAKES[make];
      const developmentRoot = developmentRoots[make];
      const at = Date.now();
      const collateral = make === 'optee' ? null : mintCollateral(developmentRoot, { at });
      const bytes = new Uint8Array(Buffer.from(String(node.ready['evidence']), 'base64'));
      const roots = [developmentRoot.root];
      const options = { crypto: nodeCrypto, collateral, roots, at: at + 1_000 };
      const claims = await verifyEvidence({ kind, bytes }, options);
      const { measurements, manifest } = await measureProgram({ role: 'keeper', root });
      expect(toHex(claims.measurement)).toBe(toHex(measurements[make]));
      expect(claims.measurement.length).toBe(MEASUREMENT_LENGTH[kind]);
      expect(toHex(node.measurement)).toBe(toHex(measurements[make]));
      expect(node.manifest).toEqual(manifest);
      expect(claims.reportData).toEqual(new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(0x5a));
      expect(claims.trust).toBe('simulated');
      expect(claims.debug).toBe(false);
      expect(node.ready['tee']).toBe(kind);
    },
  );

  it('has neither configuration nor keys in its arguments or environment', async () => {
    process.env['CLOISTER_TEST_SECRET'] = SECRET;
    try {
      const { ready } = await start('optee');
      const { argv, env } = ready as { argv: string[]; env: Record<string, string> };
      expect(JSON.stringify([argv, env])).not.toContain(SECRET);
      expect(argv.length).toBe(2);
      expect(Object.keys(env).filter((name) => /NODE|CLOISTER/.test(name))).toEqual([]);
      expect(ready['refused']).toMatch(/^(cose-malformed|cbor-)/);
    } finally {
      delete process.env['CLOISTER_TEST_SECRET'];
    }
  });

  it('ends by SIGTERM to its own pid, and by SIGKILL when it does not listen', async () => {
    const [polite, stubborn] = [await start('optee'), await start('optee', { stubborn: true })];
    expect(await polite.stop(2_000)).toEqual({ code: 0, signal: null });
    expect(alive(stubborn.pid)).toBe(true);
    expect(await stubborn.stop(50)).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await stubborn.stop()).toEqual({ code: null, signal: 'SIGKILL' });
    expect([polite.pid, stubborn.pid].some(alive)).toBe(false);
  });

  it('is reported when it dies, and takes the others with it', async () => {
    const [one, two] = [await start('optee'), await start('optee')];
    const watched = runUntilSignal([one, two]);
    process.kill(one.pid, 'SIGKILL');
    expect(await watched).toEqual({ code: null, signal: 'SIGKILL' });
    expect(alive(two.pid)).toBe(false);
  });

  it('that gives up says why, and one that never gets ready is ended', async () => {
    await expect(startNode(spec('optee', { fail: true }))).rejects.toMatchObject({
      code: 'node-start-failed',
      message: expect.stringContaining('told to fail'),
    });
    const silent = join(root, 'packages/keeper/dist/silent.js');
    await writeFile(silent, 'setInterval(() => undefined, 1000);');
    await expect(
      startNode({ ...spec('optee'), program: silent, stallMs: 200 }),
    ).rejects.toMatchObject({ code: 'node-start-failed' });
    await rm(silent);
  });

  it('is waited for as long as it comes further, and no longer', async () => {
    const slow = join(root, 'packages/keeper/dist/slow.js');
    const starting = (steps: number, rest: string) => `
      import { launchedNode } from '@cloister/attester/node';
      const node = await launchedNode();
      for (let i = 1; i <= ${steps}; i++) {
        await new Promise((done) => setTimeout(done, 400));
        node.progress(i);
      }
      ${rest}
      setInterval(() => undefined, 1000);`;
    await writeFile(slow, starting(8, "await node.ready({ name: 'slow' });"));
    const patient = { ...spec('optee'), program: slow, stallMs: 2_500 };
    const node = await startNode(patient);
    started.push(node);
    expect(node.ready).toEqual({ name: 'slow' });
    await writeFile(slow, starting(3, 'setInterval(() => node.progress(3), 50);'));
    await expect(startNode(patient)).rejects.toMatchObject({
      code: 'node-start-failed',
      message: expect.stringContaining('nothing has moved'),
    });
    await rm(slow);
  });

  it('lets go of its hardware when it ends, however it ends', async () => {
    let held = 0;
    const platform = {
      make: 'counted',
      load: async (program: Uint8Array) => {
        const hardware = await spec('optee').platform.load(program);
        held += 1;
        const close = async () => {
          await new Promise((done) => setTimeout(done, 5));
          held -= 1;
        };
        return { ...hardware, close };
      },
    };
    const node = await startNode({ ...spec('optee'), platform });
    expect([held, node.make]).toEqual([1, 'counted']);
    await node.stop(500);
    expect(held).toBe(0);
    const killed = await startNode({ ...spec('optee'), platform });
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited;
    expect(held).toBe(0);
    await expect(startNode({ ...spec('optee', { fail: true }), platform })).rejects.toMatchObject({
      code: 'node-start-failed',
    });
    expect(held).toBe(0);
  });

  it('in a confidential VM gets the evidence of its kernel', async () => {
    const root = createDevelopmentRoot('tdx-dcap');
    const measurement = new Uint8Array(48).fill(1);
    const at = Date.now();
    const files = new FakeConfigfs(TSM_REPORT_FOLDER, {
      provider: 'tdx_guest',
      hasAuxblob: false,
      report: (reportData) => ({
        outblob: mintEvidence({ root, measurement, reportData, at }).bytes,
      }),
    });
    const node = await startNode({ ...spec('optee'), platform: tsmPlatform({ files }) });
    started.push(node);
    const bytes = new Uint8Array(Buffer.from(String(node.ready['evidence']), 'base64'));
    const options = {
      crypto: nodeCrypto,
      collateral: mintCollateral(root, { at }),
      at: at + 1_000,
    };
    const claims = await verifyEvidence(
      { kind: 'tdx-dcap', bytes },
      { ...options, roots: [root.root] },
    );
    expect(claims.reportData).toEqual(new Uint8Array(64).fill(0x5a));
    expect(claims.measurement).toEqual(node.measurement);
  });

  it('is not started with a development root of another make', async () => {
    const platform = simulatedPlatform({ make: 'snp', developmentRoot: developmentRoots.optee });
    await expect(startNode({ ...spec('snp'), platform })).rejects.toMatchObject({
      code: 'make-unknown',
    });
  });
});

describe('a launcher that is gone', () => {
  it('takes its node with it', async () => {
    const launcher = join(root, 'launcher.mjs');
    await writeFile(
      launcher,
      `import { startNode, simulatedPlatform, MAKES } from '${DIST}';
       import { createDevelopmentRoot } from '${MINT}';
       const node = await startNode({
         platform: simulatedPlatform({
           make: 'optee', developmentRoot: createDevelopmentRoot(MAKES.optee),
         }),
         role: 'keeper', root: ${JSON.stringify(root)}, config: { byte: 1 },
         operator: { id: 'bank', signer: { key: new Uint8Array(32), sign: async () => null } },
         genesis: new Uint8Array(32), environment: 'keeper',
       });
       process.stdout.write(String(node.pid) + '\\n');`,
    );
    const { spawn } = await import('node:child_process');
    const parent = spawn(process.execPath, [launcher], { stdio: ['ignore', 'pipe', 'ignore'] });
    const pid = await new Promise<number>((done) => {
      parent.stdout.on('data', (text) => done(Number(String(text).trim())));
    });
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    for (let i = 0; i < 200 && alive(pid); i++) await new Promise((done) => setTimeout(done, 20));
    expect(alive(pid)).toBe(false);
  });
});
