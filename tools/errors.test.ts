// SPDX-License-Identifier: Apache-2.0
// The rules of errors: a code stands in one table of the project, its kind stands there and nowhere
// else, something throws it, and docs/errors.md lists it. `vitest run tools/errors.test.ts -u`
// writes that page.
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT_STATUS } from '../packages/cli/src/errors.ts';
import { ERROR_KINDS, httpStatusOf } from '../packages/core/src/http-errors.ts';
import { broadCatches, running, type Said, said, type Table, tablesOf } from './error-codes.ts';

/** Where an error is made again that another process, thread or run met first. */
const TELLERS = [
  'packages/api/src/errors.ts',
  'packages/attester/src/channel.ts',
  'packages/cli/src/errors.ts',
  'packages/parquet-crypto/src/crypto-pool.ts',
  'packages/engine-duckdb/src/planning.ts',
];

const sources = running();
let tables: Table[] = [];
let everything: Said[] = [];

beforeAll(async () => {
  tables = await tablesOf(sources);
  const makers = new Set(tables.map(({ name }) => name));
  everything = sources.map((source) => said(source, makers));
});

/** Tables by code; one that takes over a row of another has the same row. */
function byCode(): Map<string, Table[]> {
  const found = new Map<string, Table[]>();
  for (const table of tables) {
    for (const code of Object.keys(table.rows)) {
      found.set(code, [...(found.get(code) ?? []), table]);
    }
  }
  return found;
}

/** The table that has the row in its own text; those of void codes are made of another table. */
function homeOf(code: string, among: readonly Table[]): Table {
  const text = (table: Table) => sources.find(({ path }) => path === table.path)?.text ?? '';
  const own = among.find((table) => new RegExp(`^ {2}'?${code}'?: \\{`, 'm').test(text(table)));
  return own ?? (among[0] as Table);
}

describe('errors', () => {
  it('are of codes that are declared once', () => {
    const wrong: string[] = [];
    for (const [code, among] of byCode()) {
      const rows = new Set(among.map(({ rows: all }) => all[code]));
      if (rows.size > 1)
        wrong.push(`${code} stands in ${among.map(({ name }) => name).join(', ')}`);
    }
    expect(wrong).toEqual([]);
  });

  it('are made by tables: a throw names no kind, no other code and hides none', () => {
    const rows = new Map(tables.map((table) => [table.name, table.rows]));
    const wrong: string[] = [];
    for (const { at, name, codes, cast, word } of everything.flatMap(({ makings }) => makings)) {
      const own = rows.get(name);
      const path = at.split(':')[0] as string;
      if (own === undefined) {
        const core = path === 'packages/core/src/errors.ts';
        const teller = name === 'toldError' && TELLERS.includes(path);
        if (!core && !teller) wrong.push(`${at} makes a ${name} without a table`);
        continue;
      }
      if (cast) wrong.push(`${at} hides a code behind a cast`);
      if (word !== undefined && ERROR_KINDS.some((kind) => kind === word)) {
        wrong.push(`${at} names the kind ${word}`);
      }
      for (const code of codes.filter((one) => !Object.hasOwn(own, one))) {
        wrong.push(`${at} throws ${code}, which ${name} does not declare`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('are thrown somewhere, every one that is declared', () => {
    const patterns = everything.flatMap((one) => one.patterns);
    const codes = new Set(everything.flatMap((one) => [...one.codes]));
    const idle = [...byCode().keys()].filter(
      (code) => !codes.has(code) && !patterns.some((pattern) => pattern.test(code)),
    );
    expect(idle).toEqual([]);
  });

  it('are told from faults of ours: what is caught is named, or a few lines are', () => {
    expect(sources.flatMap(broadCatches)).toEqual([]);
  });

  it('say in one sentence what has happened', () => {
    const wrong = tables.flatMap(({ rows }) =>
      Object.entries(rows)
        .filter(([, { says }]) => !/^['A-Z].{10,}[.?]$/.test(says) || says.length > 120)
        .map(([code, { says }]) => `${code}: ${says}`),
    );
    expect(wrong).toEqual([]);
  });

  it('are listed in docs/errors.md', async () => {
    await expect(page()).toMatchFileSnapshot('../docs/errors.md');
  });
});

function page(): string {
  const lines = [
    '# Errors',
    '',
    'Every error has a code, which never changes its meaning. The code decides the kind, the',
    'kind what `cloister` exits with and what a server answers. `tools/errors.test.ts` writes',
    'this page from the tables in the sources. What a command does not expect is a fault of',
    'cloister itself: it exits with 70.',
    '',
    '| kind | exit | HTTP |',
    '|---|---|---|',
    ...ERROR_KINDS.map((kind) => {
      return `| ${kind} | ${EXIT_STATUS[kind]} | ${httpStatusOf({ code: '', kind })} |`;
    }),
  ];
  const home = new Map([...byCode()].map(([code, among]) => [code, homeOf(code, among)]));
  for (const name of [...new Set(tables.map((table) => table.package))].sort()) {
    const own = tables.filter((table) => table.package === name);
    lines.push('', `## ${name}`, '', '| code | kind | exit | HTTP | |', '|---|---|---|---|---|');
    const rows = own.flatMap((table) =>
      Object.entries(table.rows).filter(([code]) => home.get(code) === table),
    );
    for (const [code, { kind, says }] of rows) {
      const status = httpStatusOf({ code, kind });
      lines.push(`| \`${code}\` | ${kind} | ${EXIT_STATUS[kind]} | ${status} | ${says} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}
