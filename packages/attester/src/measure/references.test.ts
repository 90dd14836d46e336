// SPDX-License-Identifier: Apache-2.0
// What a module names is found wherever it stands, and nothing that only looks like it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referencesIn } from './references.ts';

/** Modules are in a file of their own: they import what is not there. */
const CASES = JSON.parse(
  readFileSync(new URL('../../testing/references.json', import.meta.url), 'utf8'),
) as { named: [string, string][]; nothing: string[]; untold: [string, string][] };
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

describe('what a module names', () => {
  it.each(CASES.named)('%s', (text, named) => {
    const found = referencesIn(text);
    expect(found.untold).toBeUndefined();
    expect(found.named.map(({ how, to }) => `${how} ${to}`).join(', ')).toBe(named);
  });

  it.each(CASES.nothing)('is nothing in %s', (text) => {
    expect(referencesIn(text)).toEqual({ named: [] });
  });

  it.each(CASES.untold)('cannot be told of %s', (text, why) => {
    expect(referencesIn(text).untold).toMatch(new RegExp(why));
  });

  it('is told of every file that we build here', () => {
    const files = readdirSync(DIST, { recursive: true }).map(String);
    const scripts = files.filter((file) => file.endsWith('.js'));
    const untold = scripts.filter((file) => {
      return referencesIn(readFileSync(join(DIST, file), 'utf8')).untold !== undefined;
    });
    expect(scripts.length).toBeGreaterThan(20);
    // The launcher's side finds its own repository by where it lies; it is part of no node.
    expect(untold.filter((file) => !file.endsWith('measure.js'))).toEqual([]);
  });
});
