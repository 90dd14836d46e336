// SPDX-License-Identifier: Apache-2.0
// For tests of the lane `pack`: the tarballs as `npm run pack:product` makes them, and empty
// projects that they are installed in.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ran, run } from './commands.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const LIMIT_MS = 3 * 60_000;

/** Makes all tarballs in `folder`; answers their paths by the names of the packages. */
export async function packAll(folder: string): Promise<ReadonlyMap<string, string>> {
  const command = ['npm', 'run', 'pack:product', '--', '--out', folder];
  succeeded(await run(command, { cwd: ROOT, limitMs: LIMIT_MS }));
  const named = readdirSync(folder).map(
    (file) => [file.replace(/-[\d.]+\.tgz$/, ''), join(folder, file)] as const,
  );
  return new Map(named);
}

/** A project with nothing but these tarballs and what npm fetches for them; runs no scripts. */
export async function emptyProject(folder: string, tarballs: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  const command = ['npm', 'install', ...options, ...tarballs];
  succeeded(await run(command, { cwd: folder, limitMs: LIMIT_MS }));
}

export function succeeded({ status, stdout, tail }: Ran): string {
  if (status !== 0) throw new Error(`failed with ${String(status)}:\n${tail}`);
  return stdout;
}
