// SPDX-License-Identifier: Apache-2.0
// Real accounts, two owners: the default rate and the mean bill by education and age band, joined
// on ID, k = 20. The engine's answer over the two parties' Parquet must equal DuckDB's own on the
// cleartext with HAVING count(*) >= 20.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  compilePolicy,
  type EngineTable,
  judge,
  parsePolicyDocument,
} from '@cloister/contract/policy';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, test } from 'vitest';

import { duckdb, into } from '../testing/duckdb.ts';

const shared = fileURLToPath(new URL('../../../../shared/', import.meta.url));
const csv = join(shared, 'data/credit-default/credit-default-clients.csv');
const BAND = 'AGE // 10 * 10';
const LABEL = '"default.payment.next.month"';

describe.skipIf(!existsSync(csv))('credit-default [skip: shared]', () => {
  test('the joint answer equals the cleartext one, small groups gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-real-test-'));
    const db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
    const engine = duckdb();
    try {
      await db.run(`CREATE TABLE clients AS FROM read_csv('${csv}')`);
      const party = async (name: string, pattern: string): Promise<EngineTable> => {
        await db.run(`CREATE TABLE ${name} AS SELECT COLUMNS('${pattern}') FROM clients`);
        await db.run(`COPY ${name} TO '${folder}/${name}.parquet'`);
        const described = await db.runAndReadAll(`DESCRIBE ${name}`);
        const columns = described.getRows().map(([column, type], at) => {
          return { id: at + 1, name: String(column), type: String(type) };
        });
        return { name, columns };
      };
      const bank = await party('bank', '^(ID|LIMIT_BAL|PAY_.*|BILL_AMT.*)$');
      const bureau = await party('bureau', '^(ID|SEX|EDUCATION|MARRIAGE|AGE|default.*)$');
      const tables = [bank, bureau];
      const common = {
        for: ['bank'],
        purpose: ['credit-risk'],
        code: 'any',
        k: 20,
        approvals: 1,
        limits: { runs: 2, days: 30 },
      };
      const documents = [
        {
          ...common,
          columns: {
            ID: { rule: 'subject' },
            BILL_AMT1: { rule: 'aggregate', functions: ['AVG'] },
          },
        },
        {
          ...common,
          columns: {
            ID: { rule: 'subject' },
            EDUCATION: { rule: 'aggregate', functions: [], groupings: ['EDUCATION'] },
            AGE: { rule: 'aggregate', functions: [], groupings: [BAND] },
            'default.payment.next.month': { rule: 'aggregate', functions: ['AVG'] },
          },
        },
      ];
      const policies = await Promise.all(
        documents.map((document, at) => {
          const own = tables[at] ?? bank;
          return compilePolicy({
            document: parsePolicyDocument(JSON.stringify(document)),
            columns: own.columns,
            bind: (sql) => engine.bindGrouping(own, sql),
          });
        }),
      );
      const code = `SELECT b.EDUCATION, ${BAND} AS band, avg(b.${LABEL}) AS rate,
        avg(a.BILL_AMT1) AS bill, count(*) AS n
        FROM bank a JOIN bureau b ON a.ID = b.ID GROUP BY 1, 2 ORDER BY 1, 2`;
      const { uses, outputs } = await engine.plan({ code, tables });
      const recipients = ['bank'];
      const facts = outputs.map(({ id }) => ({ id, recipients }));
      const task = { purpose: 'credit-risk', codeDigest: '00', outputs: facts };
      const judgement = judge({ uses, policies, task });
      expect(judgement.findings).toEqual([]);
      const plan = await engine.plan({ code, tables, suppress: judgement.suppression });
      const granted = (input: number) => [
        ...new Set(
          uses.filter((use) => use.input === input && use.column > 0).map((u) => u.column),
        ),
      ];
      expect(granted(1)).toHaveLength(4);
      const file = join(folder, 'result.parquet');
      await engine.run({
        plan,
        tables: tables.map((table, at) => ({
          ...table,
          granted: granted(at),
          files: [join(folder, `${table.name}.parquet`)],
        })),
        limits: {
          memoryBytes: 512 * 1024 * 1024,
          threads: 2,
          timeMs: 30_000,
          outputRows: 1000,
          outputBytes: 1024 * 1024,
          partBytes: 1024 * 1024,
        },
        folder,
        take: into(file),
      });
      const got = await db.runAndReadAll(`FROM read_parquet('${file}')`);
      const wanted =
        await db.runAndReadAll(`SELECT EDUCATION, ${BAND} AS band, avg(${LABEL}) AS rate,
        avg(BILL_AMT1) AS bill, count(*) AS n FROM clients GROUP BY 1, 2 HAVING count(*) >= 20
        ORDER BY 1, 2`);
      const all = await db.runAndReadAll(`SELECT DISTINCT EDUCATION, ${BAND} FROM clients`);
      expect(wanted.currentRowCount).toBeLessThan(all.currentRowCount);
      expect(got.columnNames()).toEqual(wanted.columnNames());
      const rows = got.getRowsJson() as (string | number)[][];
      expect(rows.map(exact)).toEqual((wanted.getRowsJson() as (string | number)[][]).map(exact));
    } finally {
      await engine.close();
      db.closeSync();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Means are sums in another order: equal to 12 digits. */
function exact(row: readonly (string | number)[]): string[] {
  return row.map((cell) => (typeof cell === 'number' ? cell.toPrecision(12) : cell));
}
