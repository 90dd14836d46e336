// SPDX-License-Identifier: Apache-2.0
// No circles: not among files, not among the rooms of a package, not among packages. What may be
// read by itself can be moved, tested and understood by itself.
import { describe, expect, it } from 'vitest';
import { circles, grouped, importGraph } from './circles.ts';
import { files, isTest } from './house.ts';

const graph = importGraph(files('.ts', '.js', '.mjs'));

/** A folder below a package's `src` is a room; a file that lies in `src` itself stands alone. */
const roomOf = (path: string): string =>
  /^packages\/[^/]+\/(?:src|testing)\/[^/]+(?=\/)/.exec(path)?.[0] ?? path;
const packageOf = (path: string): string => /^packages\/[^/]+/.exec(path)?.[0] ?? path;

describe('imports, of types too, make no circle', () => {
  it('among files', () => {
    expect(circles(graph)).toEqual([]);
  });

  it('among rooms', () => {
    const built = new Map([...graph].filter(([path]) => !isTest(path)));
    expect(circles(grouped(built, roomOf))).toEqual([]);
  });

  it('among packages, their tests and test material included but testkit', () => {
    const kept = [...graph].filter(([path]) => packageOf(path) !== 'packages/testkit');
    expect(circles(grouped(new Map(kept), packageOf))).toEqual([]);
  });
});

describe('the search', () => {
  const graphOf = (...edges: string[]) => {
    const all = new Map<string, Set<string>>();
    for (const edge of edges) {
      const [from = '', to = ''] = edge.split(' ');
      all.set(from, (all.get(from) ?? new Set()).add(to));
    }
    return all;
  };

  it('finds every circle, and nothing else', () => {
    expect(circles(graphOf('a b', 'b c', 'a c'))).toEqual([]);
    expect(circles(graphOf('a b', 'b a'))).toEqual([['a', 'b']]);
    expect(circles(graphOf('a a'))).toEqual([['a']]);
    const two = graphOf('a b', 'b c', 'c a', 'c d', 'd e', 'e d', 'e f');
    expect(circles(two)).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
    expect(circles(graphOf('a b', 'a c', 'b d', 'c d', 'd a'))).toEqual([['a', 'b', 'c', 'd']]);
  });

  it('sees types, and faces of other packages', () => {
    const [path, core] = ['packages/tlog/src/x.ts', 'packages/core/src/index.ts'];
    const text = [
      "import type { Y } from '../../tlog/src/errors.ts';",
      "export type * from './checkpoint.ts';",
      "import { z } from '@cloister/core';",
      "// import './witness.ts';",
      "const started = new URL('./freshness.ts', import.meta.url);",
    ].join('\n');
    const wanted = ['packages/tlog/src/errors.ts', 'packages/tlog/src/checkpoint.ts', core];
    expect(importGraph([{ path, text }]).get(path)).toEqual(new Set(wanted));
  });

  it('puts files together', () => {
    const rooms = grouped(graphOf('p/x/1 p/y/1', 'p/y/2 p/x/2'), (path) => path.slice(0, 3));
    expect(circles(rooms)).toEqual([['p/x', 'p/y']]);
    expect(graph.size).toBeGreaterThan(500);
  });
});
