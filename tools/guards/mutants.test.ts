// SPDX-License-Identifier: Apache-2.0
// What is found as a refusal, and that nothing is overlooked: each guarded source is counted once
// more as text, which knows no syntax.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';
import { REFUSALS } from '../../packages/testkit/src/simulator/guards.ts';
import { ROOT } from '../house.ts';
import { EQUIVALENT } from './equivalent.js';
import { GUARDED } from './guarded.js';
import { mutantsOf, switchable } from './mutants.js';

const sources = GUARDED.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** Comments and what is in quotes left out. */
const bare = (text: string) =>
  text
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    .replace(/"[^"\n]*"|'[^'\n]*'|`[^`]*`/g, (quoted) => {
      return /^'(sign|signed)'$/.test(quoted) ? quoted : "'...'";
    });

const count = (text: string, pattern: RegExp) => bare(text).match(pattern)?.length ?? 0;

function found(path: string, text: string, at: RegExp): number {
  const lines = text.split('\n');
  const exits = mutantsOf(path, text).filter(({ kind }) => kind === 'exit');
  return exits.filter(({ exit }) => at.test(lines[exit - 1] ?? '')).length;
}

describe('the refusals of a guarded source', () => {
  it.each(sources)('$path: every throw', ({ path, text }) => {
    expect(found(path, text, /\bthrow\b/)).toBe(count(text, /\bthrow\b/g));
  });

  it.each(sources)('$path: every answer that says no', ({ path, text }) => {
    const no = /return (await )?(this\.)?#?(refuse|voided|alarm)\w*\(|return \{ ok: false/;
    expect(found(path, text, no)).toBe(count(text, new RegExp(no, 'g')));
    const verdict = /return \{\s*verdict: (?!'sign)/;
    const others = found(path, text, /return \{(?! ok: false| keys: \[\])/);
    expect(others).toBe(count(text, new RegExp(verdict, 'g')));
  });

  it.each(sources)('$path: all under names of their own, on lines of their own', (source) => {
    const { path, text } = source;
    const ids = mutantsOf(path, text).map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
    const changed = switchable(path, text);
    expect(changed.split('\n').length).toBe(text.split('\n').length);
    expect(() => parseAst(changed, { lang: 'ts' })).not.toThrow();
    for (const id of ids) expect(changed).toContain(JSON.stringify(id));
  });

  it('that the simulator attacks are there under the names that it gives', () => {
    const ids = new Set(
      sources.flatMap(({ path, text }) => mutantsOf(path, text).map((m) => m.id)),
    );
    for (const id of Object.values(REFUSALS)) expect(ids).toContain(id);
  });

  it('that are called equivalent are there, and say why', () => {
    const ids = new Set(
      sources.flatMap(({ path, text }) => mutantsOf(path, text).map((m) => m.id)),
    );
    for (const [id, reason] of Object.entries(EQUIVALENT)) {
      expect(ids).toContain(id);
      expect(reason.length).toBeGreaterThan(20);
    }
  });
});

/** Runs a piece of code with one mutant off; `check` is what it defines. */
function withOff(text: string, off: string | undefined): (...given: unknown[]) => unknown {
  const script = switchable('packages/x/src/a.ts', text).replace('const ', 'var ');
  const asked = Object.assign(globalThis, {
    __cloisterGuardOff: (id: string) => id === `x/a.ts ${off}`,
  });
  try {
    return new Function(`${script}; return check;`)() as (...given: unknown[]) => unknown;
  } finally {
    Reflect.deleteProperty(asked, '__cloisterGuardOff');
  }
}

describe('a refusal that is switched off', () => {
  const text = `
    function refuse(code) { return { ok: false, code }; }
    const isPart = (a) => a > 0 && a < 9;
    function check(a, b) {
      if (a === 1 || (b === 2 && a < 0)) throw new Error('a-wrong');
      if (a === 3) {
        const code = 'three';
        return refuse('three-is-no');
      }
      if (b === 4) return { verdict: 'stale', b };
      if (a < 100 && b < 100) return isPart(a);
      throw new Error('too-much');
    }`;

  it.each<[string, unknown[], unknown]>([
    ['check a-wrong', [1, 0], true],
    ['check a-wrong without a === 1', [1, 0], true],
    ['check three-is-no', [3, 0], true],
    ['check stale', [5, 4], true],
    ['check too-much', [500, 0], false],
    ['check too-much without a < 100', [500, 0], false],
    ['isPart a > 0 && a < 9', [50, 0], true],
    ['isPart a > 0 && a < 9 without a < 9', [50, 0], true],
    ['isPart a > 0 && a < 9 without a > 0', [-5, 0], true],
  ])('%s', (off, given, otherwise) => {
    const refused = (check: (...given: unknown[]) => unknown) => {
      try {
        return check(...given);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused(withOff(text, undefined))).not.toBe(otherwise);
    expect(refused(withOff(text, off))).toBe(otherwise);
  });

  it('is every one that has a name above', () => {
    const ids = mutantsOf('packages/x/src/a.ts', text).map(({ id }) => id.replace('x/a.ts ', ''));
    expect(ids).toEqual([
      'refuse { ok: false, code }',
      'isPart a > 0 && a < 9',
      'isPart a > 0 && a < 9 without a > 0',
      'isPart a > 0 && a < 9 without a < 9',
      'check a-wrong',
      'check a-wrong without a === 1',
      'check a-wrong without b === 2 && a < 0',
      'check three-is-no',
      'check stale',
      'check too-much',
      'check too-much without a < 100',
      'check too-much without b < 100',
    ]);
  });

  it('is every way to have passed before the last one', () => {
    const source = `
      function check(a, b) {
        if (a === 1) {
          if (b) return a;
        }
        if (a === 2) return b;
        a += 1;
        throw new Error('too-late');
      }`;
    const ids = mutantsOf('packages/x/src/a.ts', source).map(({ id }) => id);
    expect(ids).toEqual([
      'x/a.ts check too-late without b',
      'x/a.ts check too-late without a === 2',
      'x/a.ts check too-late',
    ]);
  });

  it('leaves an `else` to the `if` that it belongs to', () => {
    const source = `
      function check(a) {
        let said = 'nothing';
        const say = (what) => { said = what; };
        if (a) say('yes'); else say('no');
        return said;
      }`;
    const said = [undefined, 'check say()', 'check say() #2'].map((off) => {
      const check = withOff(source, off);
      return [check(true), check(false)];
    });
    expect(said).toEqual([
      ['yes', 'no'],
      ['nothing', 'no'],
      ['yes', 'nothing'],
    ]);
  });

  it('is a call that only checks, and a line of a policy of evidence', () => {
    const source = `
      function policy(): Policy { return { debug: 'never', kinds, signers: 'any' }; }
      function check(a) { demand(a); for (const b of a) if (!b) continue; return a; }`;
    const ids = mutantsOf('packages/x/src/a.ts', source).map(({ id }) => id);
    expect(ids).toEqual([
      'x/a.ts policy debug',
      'x/a.ts policy kinds',
      'x/a.ts check demand()',
      'x/a.ts check passed over',
    ]);
    expect(switchable('packages/x/src/a.ts', source)).toContain('kinds: (__cloisterGuardOff(');
  });
});
