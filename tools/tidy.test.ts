// SPDX-License-Identifier: Apache-2.0
// The house rules that no compiler checks: who may import whom, file headers, lengths, orphans,
// dead links, pinned versions, the keeper's closure. Each rule collects its violations as sentences
// and wants none, so a failure reads as a list of things to do.
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  bareImports,
  closure,
  files,
  isTest,
  type Locked,
  type Manifest,
  packageOf,
  packages,
  productionClosure,
  ROOT,
  readJson,
  relativeImports,
} from './house.ts';

/** Left to right: a package imports only what stands in a column to its left. */
const COLUMNS: readonly RegExp[] = [
  /^core$/,
  /^(tlog|evidence|parquet-crypto|threshold|cage)$/,
  /^contract$/,
  /^log-store$/,
  /^(api|attester|ledger-.+|engine-.+)$/,
  /^channel$/,
  /^attested$/,
  /^(keeper|worker|gateway)$/,
  /^(cli|console)$/,
];
const CONSOLE_IMPORTS = ['core', 'api', 'contract', 'tlog', 'evidence'];
const BROWSER_SAFE = ['core', 'tlog', 'evidence', 'contract'];
const MAX_COLUMNS = 100;
const MAX_LINES = 400;
const MAX_KEEPER_PACKAGES = 15;

const sources = files('.ts', '.js', '.mjs');
const house = packages();

function column(name: string): number {
  return COLUMNS.findIndex((pattern) => pattern.test(name));
}

function sourcesOf(name: string): typeof sources {
  return sources.filter((source) => source.path.startsWith(`packages/${name}/`));
}

/** Folder names of the @cloister packages that a package's own code (not its tests) imports. */
function importedBy(name: string): Set<string> {
  const found = new Set<string>();
  for (const source of sourcesOf(name)) {
    if (isTest(source.path)) continue;
    for (const specifier of bareImports(source.text)) {
      if (specifier.startsWith('@cloister/')) found.add(specifier.split('/')[1] as string);
    }
  }
  return found;
}

/** A package that no work has filled yet: nothing but an empty face. */
function isEmpty(name: string): boolean {
  const own = sourcesOf(name).filter((source) => source.path.includes('/src/'));
  return own.length <= 1 && bareImports(own[0]?.text ?? '').length === 0;
}

describe('the package graph', () => {
  it('gives every package a place', () => {
    const homeless = house.filter((p) => column(p.name) < 0 && p.name !== 'testkit');
    expect(homeless.map((p) => p.name)).toEqual([]);
  });

  it('lets a package import only what stands to its left', () => {
    const wrong: string[] = [];
    for (const { name } of house) {
      for (const target of importedBy(name)) {
        const leftward = column(target) >= 0 && column(target) < column(name);
        const allowed = name === 'testkit' || leftward;
        const onConsole = name !== 'console' || CONSOLE_IMPORTS.includes(target);
        if (!allowed || !onConsole) wrong.push(`${name} must not import ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is the same in package.json, in tsconfig.json and in the imports', () => {
    const wrong: string[] = [];
    for (const { name, manifest, references } of house) {
      if (isEmpty(name)) continue;
      const imported = importedBy(name);
      const depended = Object.keys(manifest.dependencies ?? {})
        .filter((dependency) => dependency.startsWith('@cloister/'))
        .map((dependency) => dependency.slice('@cloister/'.length));
      for (const target of new Set([...imported, ...depended, ...references])) {
        const where: string[] = [];
        if (!imported.has(target)) where.push('imports');
        if (!depended.includes(target)) where.push('package.json');
        if (!references.includes(target)) where.push('tsconfig.json');
        if (where.length > 0) wrong.push(`${name}: ${target} is not in its ${where.join(', ')}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('names every outside package that is imported, and imports every one that is named', () => {
    const wrong: string[] = [];
    const shared = readJson<Manifest>(join(ROOT, 'package.json')).devDependencies ?? {};
    for (const { name, manifest } of house) {
      if (isEmpty(name)) continue;
      const unused = new Set(Object.keys(manifest.dependencies ?? {}));
      for (const source of sourcesOf(name)) {
        for (const specifier of bareImports(source.text).filter((s) => !s.startsWith('node:'))) {
          const target = packageOf(specifier);
          unused.delete(target);
          const production = manifest.dependencies?.[target] !== undefined;
          const ours = { ...shared, ...manifest.devDependencies, [manifest.name]: '' };
          const forTests = isTest(source.path) || name === 'testkit';
          const known = production || (forTests && ours[target] !== undefined);
          if (!known) wrong.push(`${source.path} imports ${target}, which package.json lacks`);
        }
      }
      for (const target of unused) wrong.push(`${name} depends on ${target} and never imports it`);
    }
    expect(wrong).toEqual([]);
  });

  it('refers to every package from the root tsconfig.json', () => {
    const root = readJson<{ references: { path: string }[] }>(join(ROOT, 'tsconfig.json'));
    const referred = root.references.map((reference) => basename(reference.path)).sort();
    expect(referred).toEqual(house.map((p) => p.name));
  });

  it('lets processes choose ledgers and engines in one file each', () => {
    const wrong: string[] = [];
    for (const { path, text } of sources) {
      const process = /^packages\/(keeper|worker|gateway)\/src\//.test(path);
      if (!process || isTest(path) || path.endsWith('/src/adapters.ts')) continue;
      const adapters = bareImports(text).filter((s) => /^@cloister\/(ledger|engine)-/.test(s));
      for (const adapter of adapters) wrong.push(`${path} imports ${adapter}: see adapters.ts`);
    }
    expect(wrong).toEqual([]);
  });

  it('opens DuckDB beside master keys in one file, which locks it', () => {
    const opening = sourcesOf('gateway').filter(({ path, text }) => {
      return !isTest(path) && bareImports(text).includes('@duckdb/node-api');
    });
    expect(opening.map(({ path }) => path)).toEqual(['packages/gateway/src/ingest/duck.ts']);
  });

  it('keeps minting out of verification', () => {
    const folder = join(ROOT, 'packages', 'evidence', 'src');
    const judging = sourcesOf('evidence').filter((source) =>
      /^(parse|verify|claims|appraise)\.ts$/.test(basename(source.path)),
    );
    const reached = closure(judging.map((source) => join(ROOT, source.path)));
    const minting = [...reached].filter((path) => /mint/.test(relative(folder, path)));
    expect(minting.map((path) => relative(ROOT, path))).toEqual([]);
  });

  it('keeps what only tests use out of what runs', () => {
    const roots = house
      .filter((p) => p.name !== 'testkit')
      .flatMap((p) => [join(p.folder, 'src', 'index.ts'), join(p.folder, 'src', 'main.ts')]);
    const reached = [...closure(roots, true)].map((path) => relative(ROOT, path));
    const testing = reached.filter((path) => isTest(path) || path.startsWith('packages/testkit/'));
    expect(testing).toEqual([]);
    const inside = sources.filter(({ path }) =>
      /^packages\/(?!testkit\/)[^/]+\/src\/.*testing/.test(path),
    );
    expect(inside.map(({ path }) => path)).toEqual([]);
  });

  it('keeps node: modules out of what must run in browsers', () => {
    const wrong: string[] = [];
    const bySource = new Map(sources.map((source) => [join(ROOT, source.path), source.text]));
    for (const name of BROWSER_SAFE) {
      for (const path of closure([join(ROOT, 'packages', name, 'src', 'index.ts')], true)) {
        const node = bareImports(bySource.get(path) ?? '').filter((s) => s.startsWith('node:'));
        if (node.length > 0) wrong.push(`${name} reaches ${node} in ${relative(ROOT, path)}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('files', () => {
  it('begin with the SPDX line and a paragraph that says what they promise', () => {
    const wrong: string[] = [];
    for (const { path, text } of sources) {
      const lines = text.split('\n');
      if (lines[0]?.startsWith('#!')) lines.shift();
      const opens = /^\/\/ SPDX-License-Identifier: Apache-2\.0$/.test(lines[0] ?? '');
      if (!opens) wrong.push(`${path} lacks the SPDX line`);
      else if (!/^\/\/ \S.{15,}/.test(lines[1] ?? '')) wrong.push(`${path} lacks its paragraph`);
    }
    expect(wrong).toEqual([]);
  });

  it('keep to 100 columns', () => {
    const wrong: string[] = [];
    for (const { path, text } of [...sources, ...files('.java', '.go', '.sol', '.py', '.sh')]) {
      for (const [index, line] of text.split('\n').entries()) {
        const long = line.length > MAX_COLUMNS && !/https?:\/\/\S{60}/.test(line);
        if (long) wrong.push(`${path}:${index + 1} has ${line.length} columns`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('over 400 lines say why ("long because ...") in their opening comment', () => {
    const wrong: string[] = [];
    for (const { path, text } of sources) {
      const opening = /^(?:#!.*\n)?(?:\/\/.*\n)+/.exec(text)?.[0] ?? '';
      const lines = text.split('\n').length - 1;
      const says = /long because/i.test(opening.replaceAll('\n// ', ' '));
      if (lines > MAX_LINES && !says) wrong.push(`${path} has ${lines} lines`);
    }
    expect(wrong).toEqual([]);
  });

  it('are reached from an export, a command, a process or a test', () => {
    const roots: string[] = [];
    for (const { name, folder, manifest } of house) {
      for (const entry of Object.values(manifest.exports ?? {})) {
        roots.push(join(folder, entry.source));
      }
      for (const bin of Object.values(manifest.bin ?? {})) roots.push(join(folder, bin));
      roots.push(join(folder, 'src', 'main.ts'));
      const tests = sourcesOf(name).filter((source) => source.path.endsWith('.test.ts'));
      roots.push(...tests.map((source) => join(ROOT, source.path)));
    }
    const reached = closure(roots);
    const orphans = sources
      .filter((source) => /^packages\/[^/]+\/(src|bin)\//.test(source.path))
      .filter((source) => !reached.has(join(ROOT, source.path)));
    expect(orphans.map((source) => source.path)).toEqual([]);
  });

  it('name only sources that exist', () => {
    const wrong: string[] = [];
    for (const { path, text } of sources.filter((s) => s.path.startsWith('packages/'))) {
      for (const specifier of text.matchAll(/\bfrom '(\.{1,2}\/[^']+)'/g)) {
        const target = join(ROOT, dirname(path), specifier[1] as string);
        if (!existsSync(target)) wrong.push(`${path} imports ${specifier[1]}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('say nothing of the machine or the desk they were made on', () => {
    const word = (...parts: readonly string[]): string => parts.join('');
    const forbidden: readonly RegExp[] = [
      new RegExp(`(?<![\\w.])/(?:${word('wo', 'rk')}|${word('ro', 'ot')}|home/\\w+)/`),
      new RegExp(`/tmp/${word('le', 'ad')}`),
      new RegExp(word('registry', '\\.npmjs|', 'pypi', '\\.org|', 'proxy\\.golang')),
      new RegExp(`\\b${word('iss', 'ue')}s? #?\\d`, 'i'),
      new RegExp(
        `\\b(?:${word('clau', 'de')}|${word('anth', 'ropic')}|${word('ll', 'm')}s?)\\b`,
        'i',
      ),
      new RegExp(word('sub-?', 'agent|language ', 'model|', 'helper ', 'session'), 'i'),
    ];
    const wrong: string[] = [];
    for (const { path, text } of [...sources, ...files('.md', '.json', '.sh', '.yml', '.yaml')]) {
      if (path === 'package-lock.json') continue;
      for (const [index, line] of text.split('\n').entries()) {
        const hit = forbidden.map((pattern) => pattern.exec(line)?.[0]).find((m) => m);
        if (hit !== undefined) wrong.push(`${path}:${index + 1} says ${JSON.stringify(hit)}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('papers', () => {
  it('have no dead relative links', () => {
    const dead: string[] = [];
    for (const { path, text } of files('.md')) {
      const prose = text.replace(/^```[\s\S]*?^```/gm, '');
      for (const match of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        const target = match[1] as string;
        if (/^(?:[a-z]+:|#)/.test(target)) continue;
        const file = join(ROOT, dirname(path), decodeURI(target.split('#')[0] as string));
        if (!existsSync(file)) dead.push(`${path} links to ${target}`);
      }
    }
    expect(dead).toEqual([]);
  });

  it('open every package with a README that begins with what it promises', () => {
    const wrong: string[] = [];
    const readmes = new Map(files('README.md').map((file) => [file.path, file.text]));
    for (const { name } of house) {
      const text = readmes.get(`packages/${name}/README.md`);
      const first = text?.split(/\n\s*\n/)[1] ?? '';
      if (text === undefined) wrong.push(`${name} has no README.md`);
      else if (!/^# \S/.test(text)) wrong.push(`${name}'s README.md has no title`);
      else if (!/^[\w`*@][^#|]{20,}?[.:]/s.test(first)) wrong.push(`${name}'s says no promise`);
    }
    expect(wrong).toEqual([]);
  });
});

describe('outside packages', () => {
  it('are pinned to exact versions', () => {
    const wrong: string[] = [];
    const manifests = [ROOT, ...house.map((p) => p.folder)];
    for (const folder of manifests) {
      const manifest = readJson<Manifest>(join(folder, 'package.json'));
      const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides };
      for (const [name, version] of Object.entries(all)) {
        const exact = /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version);
        if (!exact) wrong.push(`${relative(ROOT, folder) || 'root'}: ${name} ${version}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('in the keeper are at most 15, none of them native', () => {
    const lock = readJson<{ packages: Record<string, Locked> }>(join(ROOT, 'package-lock.json'));
    const reached = [...productionClosure(lock.packages, 'packages/keeper')];
    const outside = reached
      .filter((path) => path.includes('node_modules/') && lock.packages[path]?.link !== true)
      .sort();
    const titles = outside.map(
      (path) => `${path.split('node_modules/').at(-1)} ${lock.packages[path]?.version}`,
    );
    process.stdout.write(`keeper: ${outside.length} outside packages: ${titles.join(', ')}\n`);
    const native = outside.filter((path) => {
      const { hasInstallScript, os, cpu } = lock.packages[path] ?? {};
      return hasInstallScript === true || os !== undefined || cpu !== undefined || hasAddOn(path);
    });
    expect(native).toEqual([]);
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.length).toBeLessThanOrEqual(MAX_KEEPER_PACKAGES);
  });
});

function hasAddOn(lockPath: string): boolean {
  const folder = join(ROOT, lockPath);
  if (!existsSync(folder)) return false;
  const names = readdirSync(folder, { recursive: true }).map(String);
  return names.some((name) => name.endsWith('.node') || basename(name) === 'binding.gyp');
}

describe('the rules themselves', () => {
  it('see every way of importing', () => {
    const text = [
      "import a from 'one';",
      "import 'two';",
      "const c = await import('@s/three/sub');",
      "export * from './four.ts';",
      "new URL('./five.js', import.meta.url);",
      "// import 'six';",
    ].join('\n');
    expect(bareImports(text)).toEqual(['one', 'two', '@s/three/sub']);
    expect(relativeImports('/x/y.ts', text)).toEqual(['/x/four.ts', '/x/five.ts']);
    expect(packageOf('@s/three/sub')).toBe('@s/three');
    expect(packageOf('one/sub')).toBe('one');
  });

  it('follow the lock as Node resolves', () => {
    const lock: Record<string, Locked> = {
      'packages/a': { dependencies: { x: '1.0.0' } },
      'node_modules/x': { dependencies: { y: '1.0.0' } },
      'node_modules/x/node_modules/y': { optionalDependencies: { z: '1.0.0' } },
      'node_modules/y': { dependencies: { other: '1.0.0' } },
      'node_modules/z': {},
      'node_modules/other': {},
    };
    expect([...productionClosure(lock, 'packages/a')].sort()).toEqual([
      'node_modules/x',
      'node_modules/x/node_modules/y',
      'node_modules/z',
      'packages/a',
    ]);
  });
});
