// SPDX-License-Identifier: Apache-2.0
// Options that several commands share, and how their values are read.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { cliError } from '../errors.ts';

/** Adds --home, the organisation's folder. */
export function required(command: Command, _home: 'home'): Command {
  return command.requiredOption('--home <folder>', "the organisation's folder", (text) =>
    resolve(text),
  );
}

export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** A whole number, 0 or more. @throws CodedError `option-malformed` */
export function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw cliError('option-malformed', 'usage', `wanted a whole number, got ${text}`);
}

/** An amount of money in units, as millionths: 0.05 is 50,000. @throws CodedError `option-malformed` */
export function micros(text: string): number {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text);
  if (match === null) {
    throw cliError('option-malformed', 'usage', `wanted an amount such as 0.05, got ${text}`);
  }
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** `name=value`, repeated, as a record. @throws CodedError `option-malformed` */
export function pairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
  throw cliError('option-malformed', 'usage', `wanted name=value, got ${text}`);
}
