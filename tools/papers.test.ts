// SPDX-License-Identifier: Apache-2.0
// Papers are checked against the tree: every source that they name is there, every test that the
// invariants name exists by that title, and figures that the code holds are those of the code.
import { describe, expect, it } from 'vitest';
import { files } from './house.ts';
import { bytesText, constantOf, countText, missingNames } from './papers.ts';

const papers = files('.md');
const sources = files('.ts', '.js', '.mjs', '.md');
const paths = sources.map(({ path }) => path);
/** Names of files that are no sources: patterns, and what a build makes. */
const NO_SOURCES = ['x.test.ts', 'dist/main.js', 'dist/crypto-thread.js'];

function paper(path: string): string {
  const found = papers.find((one) => one.path === path);
  if (found === undefined) throw new Error(`${path} is not there`);
  return found.text;
}

it('papers name only files and folders that are there', () => {
  const wrong: string[] = [];
  for (const { path, text } of papers) {
    if (path === 'CHANGELOG.md') continue;
    const missing = missingNames(text, paths).filter((word) => !NO_SOURCES.includes(word));
    for (const word of missing) wrong.push(`${path} names ${word}`);
  }
  expect(wrong).toEqual([]);
});

it('every invariant names where it is kept, and a test that is there', () => {
  const table = paper('docs/architecture.md').split('## Invariants')[1]?.split('\n## ')[0] ?? '';
  const rows = table.split('\n').filter((line) => /^\| (?!invariant|---)/.test(line));
  const tests = sources.filter(({ path }) => path.endsWith('.test.ts'));
  const wrong: string[] = [];
  for (const row of rows) {
    const [, invariant, kept = '', named = ''] = row.split('|').map((cell) => cell.trim());
    if (kept === '' || named === '') wrong.push(`nothing keeps or tests: ${invariant}`);
    for (const [, word = ''] of named.matchAll(/`([^`]+)`/g)) {
      const there = word.endsWith('.ts') || tests.some(({ text }) => text.includes(word));
      if (!there) wrong.push(`no test says: ${word}`);
    }
  }
  expect(rows.length).toBeGreaterThan(10);
  expect(wrong).toEqual([]);
});

it.each(['contract', 'gateway'])('the architecture has every room of %s, and no other', (name) => {
  const text = paper('docs/architecture.md');
  const table = text.split(`| room of \`${name}\` |`)[1]?.split('\n\n')[0] ?? '';
  const drawn = [...table.matchAll(/^\| `([\w-]+)\/` \|/gm)].map((match) => match[1]);
  const inside = new RegExp(`^packages/${name}/src/([\\w-]+)/`);
  const rooms = new Set(paths.flatMap((path) => inside.exec(path)?.[1] ?? []));
  expect(drawn.sort()).toEqual([...rooms].sort());
});

/** A paper's sentence with the figure that the code holds. */
type Figure = readonly [paper: string, sentence: string];

const CHUNK = bytesText(
  constantOf('packages/contract/src/dataset-files/digest-tree.ts', 'CHUNK_BYTES'),
);
const FILES = countText(
  constantOf('packages/contract/src/dataset-files/file-manifest.ts', 'FILES_MAX'),
);
const COLUMNS = countText(
  constantOf('packages/contract/src/events/dataset-size.ts', 'DATASET_COLUMNS_MAX'),
);
const EVENT = countText(constantOf('packages/contract/src/events/event.ts', 'MAX_EVENT_BYTES'));
const BLOB = bytesText(constantOf('packages/gateway/src/http/blob-routes.ts', 'MAX_BLOB_BYTES'));
const PEER = 'packages/gateway/src/http/peer-routes.ts';
const NOTE = 'packages/tlog/src/freshness.ts';
const WINDOW_MS = constantOf('packages/api/src/request-signature.ts', 'REQUEST_WINDOW_MS');
const STATEMENTS = constantOf('packages/contract/src/ports/planner.ts', 'STATEMENTS_MAX');
const LANDING = constantOf('packages/contract/src/fold/statements.ts', 'LANDING_MAX');
const FIGURES: readonly Figure[] = [
  ['spec/dataset.md', `32 bytes for each ${CHUNK} of the file`],
  ['spec/dataset.md', `the file's chunks of ${CHUNK}`],
  ['spec/dataset.md', `1 to ${FILES} files`],
  ['spec/dataset.md', `| columns | ${COLUMNS} (`],
  ['spec/dataset.md', `and has ${EVENT} bytes`],
  ['docs/limitations.md', `at most ${COLUMNS} columns`],
  ['docs/limitations.md', `whole chunks of ${CHUNK}`],
  ['docs/limitations.md', `An event holds at most ${EVENT} bytes`],
  ['spec/ledger.md', `An event MUST have 1 to ${EVENT} bytes`],
  ['packages/contract/README.md', `an event holds at most ${EVENT} bytes`],
  ['packages/log-store/README.md', `Events have at most ${tileEntry()} bytes`],
  ['packages/tlog/README.md', `Entries have at most ${tileEntry()} bytes`],
  ['docs/limitations.md', `Blobs over ${BLOB} do not travel`],
  ['spec/gateway-api.md', `\`blob-digest-mismatch\`; at most ${BLOB};`],
  ['spec/gateway-api.md', `\`wait\` up to ${countText(constantOf(PEER, 'LONGEST_WAIT_MS'))} ms`],
  ['spec/gateway-api.md', `more than ${WINDOW_MS / 1_000} s apart`],
  [
    'docs/limitations.md',
    `An upload is at most ${bytesText(
      constantOf('packages/gateway/src/datasets/uploads.ts', 'MAX_UPLOAD_BYTES'),
    )} `,
  ],
  ['spec/ledger.md', `1 to ${constantOf(NOTE, 'CHALLENGES_MAX')} lines \`challenge`],
  [
    'spec/ledger.md',
    `(ms, at most ${countText(constantOf('packages/ledger-log/src/wire.ts', 'WAIT_MAX_MS'))})`,
  ],
  [
    'spec/keeper-api.md',
    `"lifetimeMs": ${constantOf('packages/keeper/src/challenges.ts', 'lifetimeMs')}}`,
  ],
  ['spec/policy.md', `1 to ${STATEMENTS} SELECT statements`],
  ['spec/events.md', `at most ${countText(LANDING)} beyond`],
  ['spec/gateway-api.md', `at most ${jobs('UNDER_WAY_MAX')} are under way`],
  ['spec/gateway-api.md', `The newest ${jobs('ENDED_MAX')} that ended`],
];

function tileEntry(): string {
  return countText(constantOf('packages/tlog/src/tiles.ts', 'ENTRY_SIZE_MAX'));
}

function jobs(name: string): number {
  return constantOf('packages/gateway/src/datasets/jobs.ts', name);
}

describe('a figure in a paper is the one in the code', () => {
  it.each(FIGURES)('%s: %s', (path, sentence) => {
    expect(paper(path).replace(/\s+/g, ' ')).toContain(sentence);
  });
});

describe('the search', () => {
  it('knows a path by its last parts, and misses what is not there', () => {
    const there = ['packages/a/src/fold/grants.ts', 'packages/a/README.md'];
    const text = '`fold/grants.ts` `grants.ts` `packages/a/src/fold/` `a/src/` `old.ts` `b/src/`';
    expect(missingNames(text, there)).toEqual(['old.ts', 'b/src/']);
    expect(missingNames('`rants.ts` `cosign.now` `a/b` `.ts`', there)).toEqual(['rants.ts']);
    expect(missingNames('```\n`gone.ts`\n```\n', there)).toEqual([]);
  });

  it('reads and writes figures as papers do', () => {
    expect(constantOf('packages/worker/src/config.ts', 'MAX_OUTPUT_BYTES')).toBe(256 * 2 ** 30);
    expect(() => constantOf('packages/worker/src/config.ts', 'NOWHERE')).toThrow('no number');
    const bytes = [262_144, 2 ** 30, 65_535, 768 * 2 ** 20].map(bytesText);
    expect(bytes).toEqual(['256 KiB', '1 GiB', '65,535 bytes', '768 MiB']);
  });
});
