// SPDX-License-Identifier: Apache-2.0
// A result is as large as the disk allows: one several times what its process may hold is sealed,
// delivered and opened part by part, and comes out whole and in order.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, it, onTestFinished } from 'vitest';

const CHILD = fileURLToPath(new URL('../../testing/large-result.mjs', import.meta.url));
const MIB = 1024 * 1024;
const PARTS = 30;
const ROWS = 40_000;
/** Of JavaScript objects; buffers are beside it and watched by the test. */
const HEAP = '--max-old-space-size=48';

it('a result larger than a bounded process holds flows through it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-large-'));
  const db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
  onTestFinished(() => {
    db.closeSync();
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'part.parquet');
  // Texts that nothing makes smaller.
  const text = 'md5(CAST(i AS VARCHAR)) || md5(CAST(-i AS VARCHAR)) || sha256(CAST(i AS VARCHAR))';
  const sql = `SELECT i AS n, ${text} AS t FROM range(${ROWS}) r(i)`;
  await db.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
  const args = [HEAP, CHILD, folder, file, String(PARTS)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const said = JSON.parse(stdout) as Record<'parts' | 'rows' | 'sealedBytes' | 'heldBytes', number>;
  expect(said).toMatchObject({ parts: PARTS, rows: PARTS * ROWS });
  expect(said.sealedBytes).toBeGreaterThan(144 * MIB);
  expect(said.heldBytes).toBeLessThan((said.sealedBytes * 2) / 3);
  const whole = join(folder, 'whole.parquet');
  const read = await db.runAndReadAll(
    `SELECT count(*), bool_and(n = place % ${ROWS}), count(DISTINCT t)
     FROM (SELECT n, t, row_number() OVER () - 1 AS place FROM read_parquet('${whole}'))`,
  );
  expect(read.getRows()).toEqual([[BigInt(PARTS * ROWS), true, BigInt(ROWS)]]);
});
