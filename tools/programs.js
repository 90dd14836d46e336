// SPDX-License-Identifier: Apache-2.0
// Programs from outside: where one is, and running one step of a set-up. What cannot be had is said
// with the reason under which the tests that need it are skipped.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const STEP_TIMEOUT_MS = 15 * 60_000;

/** Something that a lane stands on is not here. */
export class Missing extends Error {
  /** @param {'tool' | 'shared' | 'external-node'} reason @param {string} message */
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

/**
 * The path of the first of `names` on PATH; in CI, as root on Debian, installs `packages` first.
 * @param {string[]} names @param {string[]} packages @returns {string}
 * @throws Missing
 */
export function program(names, packages) {
  const found = onPath(names);
  if (found !== undefined) return found;
  const install = `apt-get install ${packages.join(' ')}`;
  if (process.env['CI'] !== 'true' || process.getuid?.() !== 0) {
    throw new Missing('tool', `${names[0]} is not installed (Debian: ${install})`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  step('apt-get', ['update', '-q'], env);
  step('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], env);
  const installed = onPath(names);
  if (installed === undefined) throw new Missing('tool', `${install} brought no ${names[0]}`);
  return installed;
}

/** @param {string[]} names @returns {string | undefined} */
function onPath(names) {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/bin', '/usr/sbin');
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

/**
 * Runs one step of a set-up and answers what it wrote; its output is shown only when it fails.
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] @returns {string}
 * @throws Missing
 */
export function step(command, args, env = process.env) {
  const run = spawnSync(command, args, { encoding: 'utf8', env, timeout: STEP_TIMEOUT_MS });
  if (run.status === 0) return run.stdout;
  const said = `${run.stdout ?? ''}${run.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n');
  const why = run.error?.message ?? said;
  throw new Missing('tool', `\`${command} ${args.join(' ')}\` failed: ${why}`);
}
