// SPDX-License-Identifier: Apache-2.0
// The engine's child in its cage: what holds it, what it sees, and what a program of somebody
// else's could do in its place.
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { openCage, thisCage, WAYS } from '@cloister/cage';
import { expect, it, onTestFinished } from 'vitest';
import { knownOf } from '../../cage/testing/known.ts';
import { engineFiles, startCaged } from './child-limits.ts';
import { EngineChild } from './child-process.ts';
import { ResultReader } from './child-results.ts';
import { ChildRoom, dropRooms } from './child-room.ts';

const HOSTILE = fileURLToPath(new URL('../../cage/testing/hostile.mjs', import.meta.url));
const LIMITS = { memoryBytes: 64 * 2 ** 20, threads: 1, fileBytes: 2 ** 20, cpuSeconds: 60 };

function folderFor(base = tmpdir()): string {
  const folder = mkdtempSync(join(base, 'cloister-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

it('it is held by what this machine comes to, and sees its files alone', async () => {
  const cage = await thisCage();
  const child = await EngineChild.start(LIMITS);
  onTestFinished(() => child.kill());
  expect(child.held).toEqual({ level: cage.level, measures: cage.measures });
  if (cage.level === 'none') return;
  const root = `/proc/${child.pid}/root`;
  expect(existsSync(`${root}/etc/passwd`)).toBe(false);
  expect(existsSync(join(root, fileURLToPath(new URL('../src', import.meta.url))))).toBe(false);
  expect(readdirSync(join(root, child.room.folder))).toEqual(['in']);
  const secret = join(folderFor(), 'column');
  writeFileSync(secret, 'values');
  const [seen = ''] = await child.room.bring([secret]);
  expect(readFileSync(join(root, seen), 'utf8')).toBe('values');
  expect(existsSync(join(root, secret))).toBe(false);
  const files = await engineFiles();
  expect(files).toEqual(expect.arrayContaining(await cage.files()));
  for (const name of ['libduckdb.so', 'node-api', 'child']) {
    expect(files.filter((path) => path.endsWith(`/${name}`))).toHaveLength(1);
  }
});

it.each(WAYS)('it runs in what %s makes of this machine', async (way) => {
  const child = await EngineChild.start(LIMITS, { cage: await openCage([way]) });
  onTestFinished(() => child.kill());
  const file = child.room.result;
  const statements = [{ sql: 'SELECT 42 AS a', outputs: [{ name: 'a', type: 'INTEGER' }] }];
  const { memoryBytes } = LIMITS;
  const limits = { memoryBytes, threads: 1, outputRows: 1, outputBytes: 9_999, partBytes: 9_999 };
  const out = join(folderFor(), 'result.parquet');
  const request = { op: 'run', tables: [], statements, ...limits, allowed: [file], file };
  expect(await child.ask(request, 20_000)).toEqual({ ok: { rowsIn: 0 } });
  const coming = new ResultReader(child.results).receive(out, 9_999);
  const part = await child.ask({ op: 'part' }, 20_000);
  expect(part).toMatchObject({ ok: { statement: 0, rows: 1, end: true } });
  expect(await coming).toBe(statSync(out).size);
  expect(readFileSync(out).subarray(0, 4).toString()).toBe('PAR1');
});

it('a hostile program in its place does what is known of the level, and no more', async () => {
  const home = folderFor();
  const [key, outside] = [join(home, 'identity.key'), join(home, 'outside')];
  writeFileSync(key, 'secret', { mode: 0o600 });
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const room = new ChildRoom(home);
  const given = join(home, 'given');
  writeFileSync(given, 'given');
  const about = { parent: process.pid, key, port, given, outside };
  writeFileSync(join(home, 'about'), JSON.stringify(about));
  await room.bring([join(home, 'about')]);
  const caged = await startCaged(HOSTILE, room, LIMITS, { reads: [given, HOSTILE] });
  onTestFinished(() => void caged.process.kill('SIGKILL'));
  const from = caged.process.stdio[3] as Readable;
  let told = '';
  from.on('data', (text) => {
    told += text;
  });
  await once(from, 'end');
  const { tried, succeeded } = JSON.parse(told);
  expect(tried).toBe(16);
  expect(succeeded).toEqual(knownOf(await thisCage()));
});

it('files come in whatever file system they lie on', async () => {
  const home = folderFor();
  const [near, far] = [join(home, 'near'), join(folderFor('/dev/shm'), 'far')];
  writeFileSync(near, 'near');
  writeFileSync(far, 'far');
  const room = new ChildRoom(home);
  const shown = await room.bring([near, far]);
  expect(shown.map((path) => readFileSync(path, 'utf8'))).toEqual(['near', 'far']);
  await expect(room.bring([join(home, 'nowhere')])).rejects.toMatchObject({ code: 'ENOENT' });
  room.drop();
  expect(existsSync(room.folder)).toBe(false);
  const left = new ChildRoom(home);
  expect(process.listeners('exit')).toContain(dropRooms);
  dropRooms();
  expect(existsSync(left.folder)).toBe(false);
  expect(readFileSync(near, 'utf8')).toBe('near');
});
