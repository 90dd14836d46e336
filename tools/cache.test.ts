// SPDX-License-Identifier: Apache-2.0
// The cache of set-ups: made once a recipe, whole or not there, unharmed by a second maker at the
// same time, and bounded.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lutimesSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { asked, cached, digests } from './cache.js';

const HOUR_S = 3600;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cloister-cache-test-'));
  vi.stubEnv('CLOISTER_CACHE', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const shelf = () => readdirSync(join(folder, 'thing'));
/** Makes or finds `thing` by a recipe; answers what the maker wrote. */
function thing(recipe: unknown, text = 'made', before: () => void = () => undefined): string {
  const home = cached('thing', recipe, (out) => {
    writeFileSync(join(out, 'half'), '');
    before();
    writeFileSync(join(out, 'text'), text);
  });
  return readFileSync(join(home, 'text'), 'utf8');
}
/** Makes everything on the shelf this much older. */
function age(hours: number): void {
  const then = Date.now() / 1000 - hours * HOUR_S;
  for (const name of shelf()) {
    lutimesSync(join(folder, 'thing', name), then, then);
  }
}

it('makes a thing once for a recipe, and again when the recipe has changed', () => {
  asked.length = 0;
  expect(thing({ pin: '1.0' }, 'first')).toBe('first');
  expect(thing({ pin: '1.0' }, 'second')).toBe('first');
  expect(thing({ pin: '1.1' }, 'third')).toBe('third');
  expect(thing({ pin: '1.0' }, 'fourth')).toBe('first');
  expect(asked.map(({ cold }) => cold)).toEqual([true, false, true, false]);
});

it('keeps nothing of a maker that fails', () => {
  const fails = () => {
    throw new Error('no network');
  };
  expect(() => thing(1, 'made', fails)).toThrow('no network');
  expect(shelf()).toEqual([]);
  expect(thing(1)).toBe('made');
});

it('takes nothing that a killed maker left for whole, and throws it away when it is old', () => {
  const code = `
    import { writeFileSync } from 'node:fs';
    import { cached } from ${JSON.stringify(new URL('./cache.js', import.meta.url).href)};
    cached('thing', 1, (out) => {
      writeFileSync(out + '/text', 'half');
      process.kill(process.pid, 'SIGKILL');
    });`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code]);
  expect(run.signal).toBe('SIGKILL');
  const [left = ''] = shelf();
  expect(readFileSync(join(folder, 'thing', left, 'text'), 'utf8')).toBe('half');
  expect(thing(1)).toBe('made');
  expect(shelf()).toContain(left);
  age(2);
  expect(thing(1)).toBe('made');
  expect(shelf()).not.toContain(left);
});

it('lets two make the same at once: the first to be done is taken by both', () => {
  expect(thing(1, 'slow', () => expect(thing(1, 'quick')).toBe('quick'))).toBe('quick');
  expect(thing(1)).toBe('quick');
  expect(shelf()).toHaveLength(2);
});

it('keeps the newest digests of a name and whatever is in use', () => {
  for (const recipe of [1, 2, 3]) {
    thing(recipe);
    age(3);
  }
  thing(1);
  for (const recipe of [4, 5, 6]) thing(recipe);
  // 2 and 3 are old and beyond the newest; 1 is beyond them too but was just used.
  expect(shelf().filter((name) => !name.includes('-'))).toHaveLength(4);
  expect(thing(1, 'again')).toBe('made');
  expect(thing(2, 'again')).toBe('again');
  expect(shelf()).toHaveLength(10);
});

it('makes a thing again whose folder is gone', () => {
  thing(1);
  const made = shelf().find((name) => name.includes('-')) ?? '';
  rmSync(join(folder, 'thing', made), { recursive: true });
  expect(thing(1, 'again')).toBe('again');
  expect(shelf()).toHaveLength(2);
});

it('digests every source by path and content', () => {
  const file = join(folder, 'a.go');
  writeFileSync(file, 'one');
  writeFileSync(join(folder, 'b.txt'), '');
  const first = digests(folder, (path) => path.endsWith('.go'));
  expect(first.map(([path]) => path)).toEqual(['a.go']);
  utimesSync(file, 1, 1);
  expect(digests(folder, (path) => path.endsWith('.go'))).toEqual(first);
  writeFileSync(file, 'two');
  expect(digests(folder, (path) => path.endsWith('.go'))).not.toEqual(first);
  expect(existsSync(join(folder, 'thing'))).toBe(false);
});
