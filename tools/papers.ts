// SPDX-License-Identifier: Apache-2.0
// What papers say of the tree: which sources they name, and figures that the code holds.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './house.ts';

/** A word in backticks that is a path of a source or a paper. */
const NAMED = /^(?!\.)(?:[\w@-][\w.@-]*\/)*[\w@-][\w.@-]*\.(?:ts|mjs|md)$/;
/** One that is a folder: it ends in a slash and has one inside, or begins at the root. */
const FOLDER = /^(?:packages|docs|spec|tools|bench)\/(?:[\w.@-]+\/)*$|^(?:[\w.@-]+\/){2,}$/;

/**
 * Paths in backticks that no file or folder of the repository ends with. A paper may name a file by
 * its last parts (`fold/grants.ts`), as people do.
 */
export function missingNames(text: string, paths: readonly string[]): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const words = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string);
  const ends = (path: string, word: string) => path === word || path.endsWith(`/${word}`);
  return words.filter((word) => {
    if (NAMED.test(word)) return !paths.some((path) => ends(path, word));
    if (!FOLDER.test(word)) return false;
    return !paths.some((path) => `/${path}`.includes(`/${word}`));
  });
}

/** The number that a source gives a constant, written out as a product of whole numbers. */
export function constantOf(path: string, name: string): number {
  const file = join(ROOT, path);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const number = '((?:\\d[\\d_]*(?: \\* )?)+)[;,\\s})]';
  const pattern = new RegExp(`\\b${name}(?:: \\w+)? = ${number}|\\b${name}: ${number}`);
  const [, assigned, field] = pattern.exec(text) ?? [];
  const product = assigned ?? field;
  if (product === undefined) throw new Error(`${path} has no number ${name}`);
  return product
    .split(' * ')
    .map((factor) => Number(factor.replaceAll('_', '')))
    .reduce((all, factor) => all * factor, 1);
}

/** Bytes as papers write them: in GiB, MiB or KiB where they are whole. */
export function bytesText(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB'];
  const at = [3, 2, 1].find((power) => bytes % 1024 ** power === 0 && bytes > 0);
  return at === undefined ? `${countText(bytes)} bytes` : `${bytes / 1024 ** at} ${units[at - 1]}`;
}

/** A number with commas between thousands. */
export function countText(value: number): string {
  return value.toLocaleString('en-US');
}
