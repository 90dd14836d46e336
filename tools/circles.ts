// SPDX-License-Identifier: Apache-2.0
// Circles among imports: sets of files, or of whole rooms, that all reach each other. Types count
// like anything else, because who reads a file reads what it names; starting a program by its path
// is no import.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { packages, ROOT, type Source } from './house.ts';

/** From a node's name to the names of what it imports. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

const RELATIVE = /\b(?:from|import|import\()\s*'(\.{1,2}\/[^']+)'/g;
const WORKSPACE = /\b(?:from|import|import\()\s*'(@cloister\/[^'/]+)(\/[^']+)?'/g;

/** Which source imports which, within packages and between them, by path from the root. */
export function importGraph(sources: readonly Source[]): Graph {
  const faces = new Map<string, string>();
  for (const { name, manifest } of packages()) {
    for (const [entry, { source }] of Object.entries(manifest.exports ?? {})) {
      faces.set(`${manifest.name}${entry.slice(1)}`, join('packages', name, source));
    }
  }
  const graph = new Map<string, Set<string>>();
  for (const { path, text } of sources) {
    const code = text.replace(/^\s*(?:\/\/|\*).*$/gm, '');
    const near = [...code.matchAll(RELATIVE)].map((match) => sourceAt(path, match[1] as string));
    const far = [...code.matchAll(WORKSPACE)].map(
      (match) => faces.get(`${match[1]}${match[2] ?? ''}`) ?? [],
    );
    graph.set(path, new Set([...near, ...far].flat()));
  }
  return graph;
}

/** The source that a relative specifier means; what is built stands for its source. */
function sourceAt(from: string, specifier: string): string[] {
  const path = resolve(ROOT, dirname(from), specifier).replace('/dist/', '/src/');
  const found = [path, path.replace(/\.js$/, '.ts')].find((one) => existsSync(one));
  return found === undefined ? [] : [found.slice(ROOT.length + 1)];
}

/** The graph of what files are put together by: `nameOf` gives each file's group. */
export function grouped(graph: Graph, nameOf: (path: string) => string): Graph {
  const groups = new Map<string, Set<string>>();
  for (const [path, targets] of graph) {
    const from = nameOf(path);
    const all = groups.get(from) ?? new Set<string>();
    for (const target of targets) if (nameOf(target) !== from) all.add(nameOf(target));
    groups.set(from, all);
  }
  return groups;
}

/** Sets of more than one node, or one that imports itself, whose members all reach each other. */
export function circles(graph: Graph): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  // Tarjan's algorithm for strongly connected components.
  const visit = (node: string): void => {
    order.set(node, order.size);
    lowest.set(node, order.get(node) as number);
    open.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      else if (!open.includes(next)) continue;
      const reached = Math.min(lowest.get(node) as number, lowest.get(next) as number);
      lowest.set(node, reached);
    }
    if (lowest.get(node) !== order.get(node)) return;
    const members = open.splice(open.indexOf(node));
    if (members.length > 1 || graph.get(node)?.has(node) === true) found.push(members.sort());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found.sort();
}
