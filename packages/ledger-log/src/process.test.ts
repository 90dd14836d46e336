// SPDX-License-Identifier: Apache-2.0
// Real processes and real files: a server killed in the middle of appends, the lock, the rate.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isCoded, signCose, utf8 } from '@cloister/core';
import { ed25519Signer } from '@cloister/core/node';
import { fsck, LogLedger } from '@cloister/log-store';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpLedger } from './index.ts';

const origin = `cloister/${'cd'.repeat(32)}`;
const signer = ed25519Signer(new Uint8Array(32).fill(3));
const CHILD = fileURLToPath(new URL('../testing/serve-child.mjs', import.meta.url));

const children: ChildProcess[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-ledger-'));
  folders.push(folder);
  return folder;
}

async function start(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, [CHILD, folder, origin], { stdio: [...stdio] });
  children.push(child);
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const [url] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(() => {
      throw new Error('the server ended before it was up');
    }),
  ])) as [string];
  return { child, url };
}

const connectTo = (url: string) =>
  new HttpLedger({ url, origin, authenticate: () => ({}), retryMs: 0, timeoutMs: 5_000 });

describe('a server that is killed', () => {
  it('has every acknowledged event after each of three kills', { timeout: 60_000 }, async () => {
    const folder = await temporary();
    const acknowledged = new Map<number, Uint8Array>();
    let n = 0;
    for (let round = 0; round < 3; round++) {
      const { child, url } = await start(folder);
      const ledger = connectTo(url);
      let alive = true;
      const writers = Array.from({ length: 16 }, async () => {
        while (alive) {
          const event = await signCose(signer, { iss: 'bank', sub: 'tick' }, utf8(`event ${n++}`));
          try {
            acknowledged.set((await ledger.append(event)).seq, event);
          } catch (error) {
            if (!isCoded(error) || error.kind !== 'unavailable') throw error;
          }
        }
      });
      const before = acknowledged.size;
      while (acknowledged.size < before + 150) await new Promise((r) => setTimeout(r, 5));
      child.kill('SIGKILL');
      await once(child, 'exit');
      alive = false;
      await Promise.all(writers);
      await ledger.close();
    }
    const { child, url } = await start(folder);
    const ledger = connectTo(url);
    const kept: Uint8Array[] = [];
    for (;;) {
      const page = await ledger.read(kept.length, 1_000);
      if (page.events.length === 0) break;
      kept.push(...page.events);
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(450);
    for (const [seq, event] of acknowledged) expect(kept[seq]).toEqual(event);
    await ledger.close();
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    const report = await fsck({ folder, origin, heads: [ledger.head()] });
    expect(report.problems).toEqual([]);
    expect(report.size).toBe(kept.length);
  });

  it('leaves a lock that is known to be stale, and a living one keeps others out', async () => {
    const folder = await temporary();
    const { child } = await start(folder);
    await expectLocked(folder);
    expect(await readFile(join(folder, 'lock'), 'utf8')).toMatch(new RegExp(`^${child.pid} `));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const ledger = await LogLedger.open({ folder, origin });
    await expectLocked(folder);
    await ledger.close();
    const reused = `${process.pid} 1 ${(await bootId()).trim()}\n`;
    for (const stale of [reused, `${process.pid} 1 another-boot\n`, 'garbage', '']) {
      await writeFile(join(folder, 'lock'), stale);
      await (await LogLedger.open({ folder, origin })).close();
    }
    await writeFile(join(folder, 'lock'), 'garbage');
    await writeFile(join(folder, 'lock.takeover'), 'someone');
    await expectLocked(folder);
  });

  it('lets one of many openers win', async () => {
    const folder = await temporary();
    await writeFile(join(folder, 'lock'), 'left behind');
    const opened = await Promise.allSettled(
      Array.from({ length: 8 }, () => LogLedger.open({ folder, origin })),
    );
    const winners = opened.filter((o) => o.status === 'fulfilled');
    expect(winners.length).toBe(1);
    for (const winner of winners) await winner.value.close();
  });
});

async function bootId(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '?');
}

async function expectLocked(folder: string): Promise<void> {
  const got = await LogLedger.open({ folder, origin }).catch((e: unknown) => e);
  expect(isCoded(got, 'ledger-locked'), String(got)).toBe(true);
}
