// SPDX-License-Identifier: Apache-2.0
// A real software TPM ends with whoever started it, and one that runs elsewhere is reached by its
// socket, its port and as a device file.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SoftwareTpms } from '../../testing/software-tpms.ts';
import { TpmClient } from './client.ts';
import { startSoftwareTpm } from './software.ts';
import { deviceTransport, openTpm } from './transport.ts';

const tpms = new SoftwareTpms();

beforeAll(() => tpms.make());
afterEach(() => tpms.settle());
afterAll(() => tpms.remove());

describe('a software TPM', () => {
  it('ends when whoever started it is gone', async () => {
    const program = join(tpms.folder, 'start.mjs');
    const face = new URL('../../dist/tpm/software.js', import.meta.url).href;
    writeFileSync(
      program,
      `import { startSoftwareTpm } from '${face}';
       const { pid } = await startSoftwareTpm(${JSON.stringify(tpms.mine)});
       process.stdout.write(String(pid) + '\\n');
       setInterval(() => undefined, 1000);`,
    );
    const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((done) => {
      parent.stdout.on('data', (text) => done(Number(String(text).trim())));
    });
    expect(process.kill(pid, 0)).toBe(true);
    parent.kill('SIGKILL');
    const gone = eventually(async () => {
      if (isRunning(pid)) throw new Error('it lives on');
    });
    await expect(gone).resolves.toBeUndefined();
  });
});

/** Whether a process runs; one that ended and was not waited for does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('one software TPM', () => {
  it('serves one node at a time', async () => {
    await tpms.boot();
    await expect(tpms.boot()).rejects.toMatchObject({ code: 'tpm-software-failed' });
  });
});

describe('other ways to a TPM', () => {
  it('are a unix socket, a TCP port, and a device file', async () => {
    const path = join(tpms.folder, 'tpm.sock');
    const port = await freePort();
    for (const [server, address] of [
      [`type=unixio,path=${path}`, `unix:${path}`],
      [`type=tcp,port=${port},bindaddr=127.0.0.1`, `tcp:127.0.0.1:${port}`],
    ] as const) {
      const child = spawnServer(server);
      try {
        const tpm = new TpmClient(await eventually(() => openTpm(address)));
        const { hardware } = await tpms.enrol(tpm);
        expect(hardware).toHaveLength(32);
        await tpm.close();
      } finally {
        child.kill('SIGKILL');
      }
    }
    const { stream, stop } = await startSoftwareTpm(tpms.mine);
    const device = new TpmClient(deviceTransport(fileOver(stream)));
    expect((await tpms.enrol(device)).hardware).toHaveLength(32);
    await device.close();
    await stop();
  });
});

/** Behaves as the kernel's device: a write is one command, a read takes its whole response. */
function fileOver(stream: Awaited<ReturnType<typeof startSoftwareTpm>>['stream']) {
  let answer: Promise<Buffer> | undefined;
  return {
    write: async (bytes: Uint8Array) => {
      answer = new Promise((resolve) => stream.once('data', resolve));
      stream.write(bytes);
      return { bytesWritten: bytes.length };
    },
    read: async (into: Uint8Array, offset: number) => {
      const bytes = (await answer) as Buffer;
      into.set(bytes, offset);
      return { bytesRead: bytes.length };
    },
    close: async () => undefined,
  };
}

function spawnServer(server: string) {
  const state = `dir=${join(tpms.mine, 'state')}`;
  const flags = ['--flags', 'not-need-init,startup-clear', '--ctrl'];
  const control = `type=unixio,path=${join(tpms.folder, 'ctrl.sock')}`;
  const args = ['socket', '--tpm2', '--tpmstate', state, '--server', server, ...flags, control];
  return spawn(process.env['CLOISTER_SWTPM'] ?? 'swtpm', args, { stdio: 'ignore' });
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await attempt();
    } catch (error) {
      if (i === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
