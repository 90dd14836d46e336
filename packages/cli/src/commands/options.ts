// SPDX-License-Identifier: Apache-2.0
// Options that several commands share, and how their values are read.
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { cliError } from '../errors.ts';

/** Adds --home, the organisation's folder; CLOISTER_HOME stands for it when it is absent. */
export function withHome(command: Command): Command {
  const option = new Option('--home <folder>', "the organisation's folder")
    .env('CLOISTER_HOME')
    .argParser((text: string) => resolve(text))
    .makeOptionMandatory();
  return command.addOption(option);
}

/** Adds one example to a command's help. */
export function withExample(command: Command, example: string): Command {
  return command.addHelpText('after', `\nExample:\n  ${example}`);
}

export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** A whole number, 0 or more. @throws CodedError `option-malformed` */
export function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw cliError('option-malformed', `wanted a whole number, got ${text}`);
}

/** A number, 0 or more, such as 0.5. @throws CodedError `option-malformed` */
export function amount(text: string): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw cliError('option-malformed', `wanted a number such as 0.5, got ${text}`);
}

/**
 * An amount of money in units, as millionths: 0.05 is 50,000.
 * @throws CodedError `option-malformed`
 */
export function micros(text: string): number {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text);
  if (match === null) {
    throw cliError('option-malformed', `wanted an amount such as 0.05, got ${text}`);
  }
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** `name=value`, repeated, as a record. @throws CodedError `option-malformed` */
export function pairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.lastIndexOf('=');
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
  throw cliError('option-malformed', `wanted name=value, got ${text}`);
}
