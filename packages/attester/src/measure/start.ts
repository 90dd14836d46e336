// SPDX-License-Identifier: Apache-2.0
// How Node is started for a program: flags, arguments and environment, all of them measured. Of
// this process's own environment only where temporary files go is passed on, so NODE_OPTIONS,
// NODE_PATH, HOME (in which Node looks for modules) and what a linker heeds never reach a node.
import { attesterError } from '../errors.ts';

/** A file of the machine's would otherwise be read for providers of cryptography to load. */
const ALWAYS = ['--openssl-config=/dev/null'];
/** Flags that name no code and no file: bounds, and what forbids more than Node does by itself. */
const BOUNDS = /^--(?:max-old-space-size|max-semi-space-size|stack-size)=\d+$/;
const FORBIDS = /^--(?:disallow-code-generation-from-strings|jitless|no-addons|frozen-intrinsics)$/;
const ENVIRONMENT = { LANG: 'C.UTF-8', PATH: '/usr/bin:/bin', TZ: 'UTC' };

export interface Start {
  readonly flags: readonly string[];
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** @throws CodedError `program-unmeasurable` for a flag that may bring in what is not measured */
export function startOf(options: {
  readonly flags?: readonly string[];
  readonly arguments?: readonly string[];
}): Start {
  const { flags = [], arguments: given = [] } = options;
  const refused = flags.find((flag) => !BOUNDS.test(flag) && !FORBIDS.test(flag));
  if (refused !== undefined) {
    const message =
      `Node's flag ${refused.slice(0, 60)} may load or change what is not measured: ` +
      'wanted bounds of memory, or flags that forbid';
    throw attesterError('program-unmeasurable', message);
  }
  return { flags: [...ALWAYS, ...flags], arguments: [...given], environment: ENVIRONMENT };
}

/** The environment that a node gets. */
export function environmentFor({ environment }: Start): NodeJS.ProcessEnv {
  const { TMPDIR } = process.env;
  return { ...environment, ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}
