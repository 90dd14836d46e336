// SPDX-License-Identifier: Apache-2.0
// `cloister demo` as a program: its last JSON line has everything, its result is the cleartext one,
// and Ctrl-C in the middle leaves no process and no folder.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, describe, expect, it } from 'vitest';
import { LIMIT_MS, play } from '../../testing/played.ts';
import { QUESTION } from './cast.ts';
import { syntheticData } from './data.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cloister-demo-test-'));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

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
      Object.entries(row).map(([k, v]) => [k, typeof v === 'bigint' ? String(v) : v]),
    ),
  );
}

describe('cloister demo', () => {
  it(
    'closes with a summary whose result is the one on cleartext',
    async () => {
      const { exit, lines, stderr, alive } = await play(scratch);
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
      const refused = summary['refused'] as { code: string; said: string }[];
      expect(refused.map(({ code }) => code)).toEqual([
        'column-hidden',
        'join-measurement-unknown',
        'usage-receipt-wrong',
        'key-opening-failed',
      ]);
      expect(refused[1]?.said).toMatch(/got [0-9a-f]{16}.*wanted [0-9a-f]{16}/);
      expect(refused[3]?.said).toMatch(/wrong answers came from http/);
      expect(summary['host']).toMatchObject({
        rows: 1_500,
        found: 0,
        ciphertext: expect.stringMatching(/^50415245/) as string,
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
      const { exit, stderr, alive } = await play(scratch, [], (line, pid) => {
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
