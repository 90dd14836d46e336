// SPDX-License-Identifier: Apache-2.0
// `cloister demo` as a program: its last JSON line has everything, its result is the cleartext one,
// and Ctrl-C in the middle leaves no process and no folder.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, describe, expect, it } from 'vitest';
import { QUESTION } from './cast.ts';
import { syntheticData } from './data.ts';

const COMMAND = fileURLToPath(new URL('../../bin/cloister.js', import.meta.url));
const LIMIT_MS = 90_000;
const scratch = mkdtempSync(join(tmpdir(), 'cloister-demo-test-'));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Played {
  readonly exit: number | null;
  readonly lines: Record<string, unknown>[];
  readonly stderr: string;
  /** Whether a process of the demo's group lives on. */
  readonly alive: boolean;
}

/** Plays the demo in a process group of its own; `onLine` may stop it. */
function play(onLine: (line: Record<string, unknown>, pid: number) => void): Promise<Played> {
  const child = spawn(process.execPath, [COMMAND, '--json', 'demo', '--discard'], {
    detached: true,
    env: { ...process.env, TMPDIR: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid as number;
  const lines: Record<string, unknown>[] = [];
  const text = { out: '', err: '' };
  child.stdout.on('data', (piece: Buffer) => {
    const parts = (text.out + piece.toString()).split('\n');
    text.out = parts.pop() ?? '';
    for (const part of parts) {
      const line = JSON.parse(part) as Record<string, unknown>;
      lines.push(line);
      onLine(line, pid);
    }
  });
  child.stderr.on('data', (piece: Buffer) => {
    text.err += piece.toString();
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), LIMIT_MS);
    child.once('error', reject);
    child.once('close', (exit) => {
      clearTimeout(timer);
      const alive = groupLives(pid);
      if (alive) process.kill(-pid, 'SIGKILL');
      resolve({ exit, lines, stderr: text.err, alive });
    });
  });
}

function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function onCleartext(): Promise<unknown[]> {
  const data = syntheticData(7);
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const [table, text] of [
    ['patients', data.hospital],
    ['policies', data.insurer],
    ['accounts', data.bank],
  ]) {
    const path = join(scratch, `${table}.csv`);
    writeFileSync(path, text as string);
    await connection.run(`CREATE TABLE ${table} AS FROM read_csv('${path}')`);
    rmSync(path);
  }
  const sql = QUESTION.replace('ORDER BY', 'HAVING count(*) >= 20 ORDER BY');
  const rows = (await connection.runAndReadAll(sql)).getRowObjects();
  connection.closeSync();
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([k, v]) => [k, typeof v === 'bigint' ? Number(v) : v]),
    ),
  );
}

describe('cloister demo', () => {
  it(
    'closes with a summary whose result is the one on cleartext',
    async () => {
      const { exit, lines, stderr, alive } = await play(() => undefined);
      expect({ exit, stderr, alive }).toEqual({ exit: 0, stderr: '', alive: false });
      const { event, ...summary } = lines.at(-1) ?? {};
      expect(event).toBe('summary');
      expect(summary).toMatchObject({
        ledger: {
          size: expect.any(Number) as number,
          root: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
          cosignatures: ['insurer', 'hospital', 'bank'],
          verified: true,
        },
        usage: { state: 'released' },
        simulated: true,
        timings: { run: expect.any(Number) as number, total: expect.any(Number) as number },
      });
      expect((summary['bill'] as { payee: string }[]).map((bill) => bill.payee)).toContain('bank');
      expect(summary['result']).toEqual(await onCleartext());
      expect(readdirSync(scratch)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'stops every process when it is interrupted, and says so',
    async () => {
      const { exit, stderr, alive } = await play((line, pid) => {
        if (line['event'] === 'step' && line['name'] === 'keepers') process.kill(pid, 'SIGINT');
      });
      expect(exit).toBe(4);
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'process-failed' } });
      expect(alive).toBe(false);
      expect(readdirSync(scratch)).toEqual([]);
    },
    LIMIT_MS,
  );
});
