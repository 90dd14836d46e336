// SPDX-License-Identifier: Apache-2.0
// A measured program told part by part: what each file is, its digest, and what brought it in.
import type { Manifest, MeasuredPart } from '@cloister/attester';
import { table } from './output.ts';

/** What `measure --explain --json` has beside the measurements. */
export function explained({
  manifest,
  parts,
}: {
  manifest: Manifest;
  parts: readonly MeasuredPart[];
}) {
  const { flags, arguments: given, environment, packages, entry } = manifest;
  return {
    start: { entry, flags, arguments: given, environment },
    packages,
    parts: parts.map(({ path, kind, digest, bytes, why }) => ({ path, kind, bytes, digest, why })),
  };
}

/** The same as lines for people. */
export function explainedLines(of: {
  manifest: Manifest;
  parts: readonly MeasuredPart[];
}): string[] {
  const { start, packages, parts } = explained(of);
  const environment = Object.entries(start.environment).map(([name, value]) => `${name}=${value}`);
  const names = Object.entries(packages).flatMap(([place, meant]) =>
    Object.entries(meant).map(([name, other]) => [place, name, other]),
  );
  return [
    `starts  node ${[...start.flags, start.entry, ...start.arguments].join(' ')}`,
    `with    ${environment.join(' ')}`,
    '',
    ...table([
      ['digest', 'bytes', 'kind', 'part', 'why'],
      ...parts.map(({ path, kind, digest, bytes, why }) => {
        return [digest ?? 'not there', String(bytes), kind, path, why];
      }),
    ]),
    '',
    ...table([['in', 'the name', 'means'], ...names]),
  ];
}
