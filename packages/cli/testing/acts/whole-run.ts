// SPDX-License-Identifier: Apache-2.0
// What a whole run in a world must be: right on real data, without a trace of secrets where they do
// not belong, stopped by a dead gateway and a cheating proposer, and clear about bad files.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCoded, systemRandom, utf8 } from '@cloister/core';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { PURPOSE } from '../../src/demo/cast.ts';
import { raiseWorker } from '../../src/demo/world.ts';
import { startLyingGateway } from '../lying-gateway.ts';
import { everything, formsOf, Haystack, secretsOf, strays } from '../secrets.ts';
import { cloister, MARKER, type Theatre } from '../theatre.ts';

const SHARED = fileURLToPath(new URL('../../../../../shared/', import.meta.url));
const CREDIT = join(SHARED, 'data/credit-default/credit-default-clients.csv');

const QUESTION = `SELECT h.smoker, count(*) AS people, avg(i.claims) AS mean_claims,
  avg(b."missed.payments") AS mean_missed
FROM patients h JOIN policies i ON i.person = h.person JOIN accounts b ON b.person = h.person
GROUP BY h.smoker ORDER BY h.smoker`;

let theatre: Theatre;

/** Rows of a statement on cleartext, with numbers as numbers. */
async function onCleartext(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  try {
    const rows = (await connection.runAndReadAll(sql)).getRowObjects();
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([k, v]) => [k, typeof v === 'bigint' ? String(v) : v]),
      ),
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** A run that the worker would not even begin. */
function asStatus(error: unknown) {
  if (!isCoded(error)) throw error;
  return { state: 'failed', code: error.code, sentence: error.message };
}

export function wholeRun(opened: () => Theatre): void {
  beforeAll(() => {
    theatre = opened();
  });

  describe('a whole run', () => {
    it('gives what DuckDB gives on the cleartext', async () => {
      const { task, check } = await theatre.propose(QUESTION);
      expect(check.findings).toEqual([]);
      await theatre.approve(task, { runs: 1 });
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'released' });
      const file = (name: string) => `read_csv('${join(theatre.folder, 'input', name)}.csv')`;
      const plain = QUESTION.replace('patients h', `${file('patients')} h`)
        .replace('policies i', `${file('policies')} i`)
        .replace('accounts b', `${file('accounts')} b`)
        .replace('ORDER BY', 'HAVING count(*) >= 20 ORDER BY');
      expect(await theatre.rows(status.run)).toEqual(await onCleartext(plain));
    });
  });

  describe('what stops a run', () => {
    it('a proposer that hands the worker other code than was approved is caught', async () => {
      const { task } = await theatre.propose(QUESTION);
      await theatre.approve(task, { runs: 1 });
      const { world } = theatre;
      const [honest = '', ...others] = world.gateways;
      const liar = await startLyingGateway({
        home: world.homes.insurer,
        me: 'insurer',
        genesis: world.charter.genesis,
        honest,
        code: QUESTION.replace('avg(i.claims)', 'sum(i.claims)'),
      });
      try {
        const deceived = { ...world, gateways: [liar.url, ...others] };
        const more = { name: 'deceived', scratch: theatre.scratch };
        const status = await theatre.run(task, await raiseWorker(deceived, more));
        expect(status).toMatchObject({ state: 'failed', code: 'task-opening-mismatch' });
        expect(status.sentence).toMatch(/not what the ledger has a commitment to/);
        await theatre.entry(
          (e) => e.kind === 'run-failed' && e.summary.includes('task-opening-mismatch'),
        );
      } finally {
        await liar.close();
      }
    });

    it('a dead gateway: no release until it is back, then the run succeeds', async () => {
      const { task } = await theatre.propose(QUESTION);
      // A run whose join still reached the ledger is used up, though it gave nothing.
      await theatre.approve(task, { runs: 3 });
      expect(await theatre.run(task)).toMatchObject({ state: 'released' });
      const { stage, homes } = theatre.world;
      const more = { name: 'impatient', scratch: theatre.scratch, patienceMs: 3_000 };
      const impatient = await raiseWorker(theatre.world, more);
      await stage.stopOne('gateway-hospital');
      const status = await theatre.run(task, impatient).catch(asStatus);
      expect(status).toMatchObject({ state: 'failed', code: 'quorum-unreachable' });
      expect(status.sentence).toMatch(/2 of 3 witnesses signed/);
      const asked = await cloister(['--json', 'gateway', 'status', '--home', homes.hospital]);
      expect(asked).toMatchObject({ exit: 4, stdout: '' });
      expect(JSON.parse(asked.stderr)).toMatchObject({ error: { code: 'peer-unreachable' } });
      await stage.start('gateway-hospital', ['gateway', 'serve', '--home', homes.hospital]);
      const again = await theatre.run(task);
      expect(again).toMatchObject({ state: 'released' });
      expect(await theatre.rows(again.run)).toHaveLength(2);
    });
  });

  describe('files that cannot be taken', () => {
    it.each<[string, string, Uint8Array | string, string, RegExp]>([
      ['an empty file', 'empty.csv', '', 'input-empty', /the file is empty/],
      ['a cut Parquet file', 'cut.parquet', 'PAR1 and no more', 'parquet-truncated', /it is cut/],
      [
        'a picture that says it is CSV',
        'lie.csv',
        Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1, 2),
        'input-not-text',
        /it is not text/,
      ],
      ['an open quote', 'quote.csv', 'a,b\n1,"two\n', 'csv-quote-unterminated', /opened on line 2/],
      ['a short row', 'ragged.csv', 'a,b\n1,2\n3\n', 'csv-row-ragged', /line 3 has 1 fields/],
    ])('%s', async (_what, name, bytes, code, sentence) => {
      const path = join(theatre.folder, 'input', name);
      writeFileSync(path, bytes);
      const home = theatre.world.homes.bank;
      const said = await cloister(['dataset', 'inspect', '--home', home, path]);
      expect(said).toMatchObject({ exit: 1, stdout: '' });
      expect(said.stderr).toMatch(sentence);
      expect(said.stderr).toContain(`[${code}]`);
      expect(readdirSync(join(home, 'uploads'))).toEqual([]);
    });

    it('a file that is not there', async () => {
      const home = theatre.world.homes.bank;
      const said = await cloister(['dataset', 'inspect', '--home', home, '/nowhere/at-all.csv']);
      expect(said).toMatchObject({ exit: 6, stdout: '' });
      expect(said.stderr).toMatch(/cannot read .*no such file.*\[file-unreadable\]/);
    });
  });

  describe('dataset add', () => {
    const policy = {
      ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
      limits: { runs: 'none', days: 'none' },
      columns: { id: { rule: 'reveal' } },
    };

    /** The options that every such command has here, and its files. */
    function written(name: string, rows: number, document: unknown = policy): string[] {
      const input = (file: string) => join(theatre.folder, 'input', file);
      const lines = Array.from({ length: rows }, (_, i) => `${i},value ${i}`);
      writeFileSync(input(`${name}.csv`), `id,what\n${lines.join('\n')}\n`);
      writeFileSync(input(`${name}.json`), JSON.stringify(document));
      const named = ['--name', name, '--policy', input(`${name}.json`)];
      return ['--home', theatre.world.homes.bank, input(`${name}.csv`), ...named];
    }

    it('says what it does, and with --json nothing but the end', async () => {
      const told = await cloister(['dataset', 'add', ...written('told', 50)]);
      expect(told.stdout).toMatch(/^bank\/told version 1: 50 rows, .* on the ledger at \d+\n/);
      expect(told.stderr).toMatch(
        /csv, 50 rows, 2 columns[\s\S]*the gateway works on it as [0-9a-f]/,
      );
      const quiet = await cloister(['--json', 'dataset', 'add', ...written('silent', 50)]);
      expect(quiet).toMatchObject({ exit: 0, stderr: '' });
      expect(JSON.parse(quiet.stdout)).toMatchObject({
        dataset: { name: 'silent', rows: 50 },
        recorded: { status: 'accepted' },
      });
    });

    it('ends with the code that the work failed with', async () => {
      const refused = await cloister(['dataset', 'add', ...written('told', 50)]);
      expect(refused).toMatchObject({ exit: 5, stdout: '' });
      expect(refused.stderr).toContain('[dataset-name-taken]');
      const malformed = await cloister(['dataset', 'add', ...written('odd', 50, { k: 1 })]);
      expect(malformed).toMatchObject({ exit: 1, stdout: '' });
      expect(malformed.stderr).toContain('[policy-malformed]');
    });

    it('is undone for good by dataset withdraw, which frees its name', async () => {
      const at = ['--home', theatre.world.homes.bank];
      expect((await cloister(['dataset', 'add', ...written('short', 50)])).exit).toBe(0);
      const unknown = await cloister(['dataset', 'withdraw', ...at, 'bank/nothing']);
      expect(unknown).toMatchObject({ exit: 6, stdout: '' });
      const done = await cloister(['dataset', 'withdraw', ...at, 'bank/short']);
      expect(done).toMatchObject({ exit: 0, stderr: expect.not.stringContaining('error') });
      expect(done.stdout).toBe('bank/short and all its versions: withdrawn for good\n');
      const list = await cloister(['dataset', 'list', ...at]);
      expect(list.stdout).toMatch(/bank\/short +1 \(retired\)/);
      const again = await cloister(['dataset', 'withdraw', ...at, 'bank/short']);
      expect(again.exit).toBe(6);
      expect((await cloister(['dataset', 'add', ...written('short', 50)])).exit).toBe(0);
    });

    it('that is interrupted goes on; what a stopped gateway lost is said', async () => {
      const { homes, stage } = theatre.world;
      const at = ['--home', homes.bank];
      const works = /works on it as ([0-9a-f]{32})/;
      const killed = await cloister(['dataset', 'add', ...written('left', 50_000)], {
        onStderr(text, kill) {
          if (works.test(text)) kill();
        },
      });
      expect(killed).toMatchObject({ exit: null, stdout: '' });
      const left = works.exec(killed.stderr)?.[1] ?? '';
      const followed = await cloister(['--json', 'dataset', 'follow', ...at, left]);
      expect(JSON.parse(followed.stdout)).toMatchObject({
        dataset: { dataset: left, name: 'left' },
      });
      let stopping: Promise<void> | undefined;
      const lost = written('lost', 150_000);
      const broken = await cloister(['dataset', 'add', ...lost], {
        onStderr(text) {
          if (works.test(text)) stopping ??= stage.stopOne('gateway-bank');
        },
      });
      expect(broken).toMatchObject({ exit: 4, stdout: '' });
      await stopping;
      await stage.start('gateway-bank', ['gateway', 'serve', ...at]);
      const id = works.exec(broken.stderr)?.[1] ?? '';
      const later = await cloister(['dataset', 'follow', ...at, id]);
      expect(later).toMatchObject({ exit: 4, stdout: '' });
      expect(later.stderr).toContain('[dataset-interrupted]');
      const list = await cloister(['dataset', 'list', ...at]);
      expect(list.stdout).toContain(`could not add lost (${id}): the gateway stopped`);
      expect(readdirSync(join(homes.bank, 'uploads'))).toEqual([]);
      expect((await cloister(['dataset', 'add', ...lost])).exit).toBe(0);
    });
  });

  describe.skipIf(!existsSync(CREDIT))('30,000 real accounts [skip: shared]', () => {
    it('default rate and mean bill by education and age band equal the cleartext', async () => {
      const [head = '', ...rows] = readFileSync(CREDIT, 'utf8').trimEnd().split('\n');
      const names = head.split(',');
      const split = (wanted: RegExp) => {
        const at = names.flatMap((name, i) => (wanted.test(name) ? [i] : []));
        const cut = (row: string) => {
          const cells = row.split(',');
          return at.map((i) => cells[i]).join(',');
        };
        return `${[head, ...rows].map(cut).join('\n')}\n`;
      };
      const common = {
        for: ['insurer'],
        purpose: [PURPOSE],
        code: 'any',
        k: 20,
        approvals: 1,
        limits: { runs: 2, days: 30 },
      };
      const bill = { rule: 'aggregate', functions: ['AVG'] };
      await theatre.addDataset('bank', {
        name: 'bills',
        text: split(/^(ID|LIMIT_BAL|PAY_.*|BILL_AMT.*)$/),
        policy: { ...common, columns: { ID: { rule: 'subject' }, BILL_AMT1: bill } },
      });
      const label = 'default.payment.next.month';
      const band = 'AGE // 10 * 10';
      await theatre.addDataset('hospital', {
        name: 'bureau',
        text: split(/^(ID|SEX|EDUCATION|MARRIAGE|AGE|default.*)$/),
        policy: {
          ...common,
          columns: {
            ID: { rule: 'subject' },
            EDUCATION: { rule: 'aggregate', functions: [], groupings: ['EDUCATION'] },
            AGE: { rule: 'aggregate', functions: [], groupings: [band] },
            [label]: bill,
          },
        },
      });
      const select = `SELECT u.EDUCATION, u.AGE // 10 * 10 AS age_from, count(*) AS clients,
      avg(u."${label}") AS default_rate, avg(a.BILL_AMT1) AS mean_bill`;
      const group = 'GROUP BY u.EDUCATION, u.AGE // 10 * 10';
      const order = 'ORDER BY u.EDUCATION, age_from';
      const { task, check } = await theatre.propose(
        `${select} FROM bureau u JOIN bills a ON a.ID = u.ID ${group} ${order}`,
        { inputs: { bureau: 'hospital/bureau', bills: 'bank/bills' } },
      );
      expect(check.findings).toEqual([]);
      await theatre.approve(task, { runs: 1 });
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'released' });
      const clients = `read_csv('${CREDIT}')`;
      const joined = `FROM ${clients} u JOIN ${clients} a ON a.ID = u.ID`;
      const expected = await onCleartext(
        `${select} ${joined} ${group} HAVING count(*) >= 20 ${order}`,
      );
      expect(expected.length).toBeGreaterThan(15);
      expect(await theatre.rows(status.run)).toEqual(expected);
    });
  });

  describe('when all is done', () => {
    it('secrets and values are only where they belong', () => {
      // Searching finds what is there, in any form: a name in its card, a key in its own file.
      const hay = everything(theatre);
      expect(hay.holders([utf8('Valley Hospital Group')])).toContain('hospital/org.json');
      expect(hay.places.filter((place) => place.startsWith('logs/')).length).toBeGreaterThan(7);
      expect(hay.holders([utf8('PATH=')]).filter((p) => p.endsWith('environ')).length).toBe(
        theatre.world.stage.pids.length,
      );
      const secrets = secretsOf(theatre);
      for (const { bytes, home } of secrets.filter(({ name }) => !name.startsWith('tag key'))) {
        expect(hay.holders(formsOf(bytes))).toContain(home);
      }
      expect(secrets.length).toBeGreaterThan(40);
      expect(strays(theatre)).toEqual([]);
      // Hidden data, column names, SQL and purposes: in their owners' vaults at most.
      expect(hay.holders(formsOf(utf8(MARKER)))).toEqual([]);
      for (const text of ['mean_missed', 'missed.payments', PURPOSE, 'officer of']) {
        const found = hay.holders(formsOf(utf8(text)));
        expect(found.filter((path) => !path.includes('/vault/'))).toEqual([]);
      }
      // Of runs nothing is left; the room of the child that waits for the next one is empty.
      const rooms = readdirSync(theatre.scratch);
      expect(rooms.filter((name) => !name.startsWith('cloister-engine-'))).toEqual([]);
      for (const room of rooms) {
        expect(readdirSync(join(theatre.scratch, room), { recursive: true })).toEqual(['in']);
      }
    });

    it.each([0, 1, 2, 3, 47])('a secret inside base64 would be found, %i bytes in', (before) => {
      const key = systemRandom.bytes(32);
      const longer = Buffer.concat([systemRandom.bytes(before), key, systemRandom.bytes(9)]);
      for (const encoding of ['base64', 'base64url', 'hex', 'latin1'] as const) {
        const hay = new Haystack(
          new Map([
            ['other', systemRandom.bytes(100)],
            ['here', Buffer.from(longer.toString(encoding), 'latin1')],
          ]),
        );
        expect(hay.holders(formsOf(key))).toEqual(['here']);
      }
    });
  });
}
