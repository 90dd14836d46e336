// SPDX-License-Identifier: Apache-2.0
// A keeper that a real software TPM attests: in the demo from beginning to end, and its enrolment
// by hand. No process of a TPM outlives what started it.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { LIMIT_MS, play } from '../../testing/played.ts';

const COMMAND = fileURLToPath(new URL('../../bin/cloister.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'cloister-tpm-demo-'));
const homes = mkdtempSync(join(tmpdir(), 'cloister-tpm-homes-'));

afterAll(() => {
  for (const folder of [scratch, homes]) rmSync(folder, { recursive: true, force: true });
});

async function cloister(...args: string[]): Promise<string> {
  const run = promisify(execFile)(process.execPath, [COMMAND, ...args]);
  return (await run).stdout;
}

async function codeOf(...args: string[]): Promise<unknown> {
  const failed = await cloister('--json', ...args).catch((error: { stderr: string }) => error);
  if (typeof failed === 'string') return undefined;
  return (JSON.parse(failed.stderr) as { error: { code: string } }).error.code;
}

describe('cloister demo --tpm', () => {
  it(
    'seats a keeper that every other keeper appraised by its TPM quote',
    async () => {
      const { exit, lines, stderr, alive } = await play(scratch, ['--tpm']);
      expect({ exit, stderr, alive }).toEqual({ exit: 0, stderr: '', alive: false });
      const summary = lines.at(-1) ?? {};
      expect(summary).toMatchObject({
        usage: { state: 'released' },
        ledger: { verified: true, cosignatures: ['insurer', 'hospital', 'bank'] },
        simulated: true,
      });
      expect(summary['keepers']).toContainEqual({
        ...{ operator: 'bank-ops', tee: 'tpm2', family: 'tpm2:bank-ops' },
        ...{ trust: 'simulated', accepted: true },
      });
      expect((summary['result'] as unknown[]).length).toBeGreaterThan(5);
      expect(readdirSync(scratch)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'leaves no process when it is interrupted',
    async () => {
      const { exit, alive } = await play(scratch, ['--tpm'], (line, pid) => {
        if (line['event'] === 'done' && line['name'] === 'keepers') process.kill(pid, 'SIGINT');
      });
      expect({ exit, alive }).toEqual({ exit: 4, alive: false });
      expect(readdirSync(scratch)).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe('a TPM by hand', () => {
  it('is made and enrolled, and what was proved is a checklist', async () => {
    const home = join(homes, 'dc');
    await cloister('org', 'operator', '--home', home, '--id', 'dc', '--name', 'Data Centre');
    const said = await cloister('hardware', 'create', '--home', home, '--make', 'tpm');
    expect(said.match(/^ {2}ok {2}/gm)).toHaveLength(4);
    expect(said).toMatch(/SIMULATED/);
    expect(said).toMatch(/counts under tpm2:dc/);
    const card = join(home, 'hardware', 'tpm.json');
    const operator = JSON.parse(readFileSync(join(home, 'operator.json'), 'utf8')) as {
      hardware: unknown[];
    };
    const { id } = JSON.parse(readFileSync(card, 'utf8')) as { id: string };
    expect(operator.hardware).toEqual([{ tee: 'tpm2', id }]);
    const roles = await Promise.all(
      ['keeper', 'worker'].map((role) => cloister(role, 'measure', '--card', card)),
    );
    const measured = roles.map((text) => /^dc-tpm ([0-9a-f]{64})$/m.exec(text)?.[1]);
    expect(new Set(measured).size).toBe(2);
  });

  it('that runs already is enrolled by its address, under a named authority', async () => {
    const [maker, home] = [join(homes, 'maker'), join(homes, 'there')];
    for (const at of [maker, home]) {
      await cloister('org', 'operator', '--home', at, '--id', 'ops', '--name', 'Operator');
    }
    await cloister('hardware', 'create', '--home', maker, '--make', 'tpm');
    const folder = join(maker, 'hardware', 'tpm');
    const ca = ['swtpm-localca-rootca-cert.pem', 'issuer.pem'].map((f) => join(folder, 'ca', f));
    const socket = join(homes, 'tpm.sock');
    const swtpm = spawn(
      process.env['CLOISTER_SWTPM'] ?? 'swtpm',
      [
        ...['socket', '--tpm2', '--tpmstate', `dir=${join(folder, 'state')}`],
        ...['--server', `type=unixio,path=${socket}`, '--flags', 'not-need-init,startup-clear'],
        ...['--ctrl', `type=unixio,path=${socket}.ctrl`],
      ],
      { stdio: 'ignore' },
    );
    try {
      const create = ['hardware', 'create', '--home', home, '--make', 'tpm'];
      const device = ['--device', `unix:${socket}`];
      expect(await codeOf(...create, ...device)).toBe('option-malformed');
      expect(await codeOf(...create, '--ek-ca', ca[0] as string)).toBe('option-malformed');
      const issuer = ['--ek-ca', ca[1] as string];
      expect(await codeOf(...create, ...device, ...issuer)).toBe('root-malformed');
      const said = await cloister(...create, ...device, '--ek-ca', ca[0] as string, ...issuer);
      expect(said).toContain("chains to 'swtpm-localca-rootca'");
    } finally {
      swtpm.kill('SIGKILL');
    }
  });
});
