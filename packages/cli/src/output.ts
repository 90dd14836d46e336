// SPDX-License-Identifier: Apache-2.0
// What commands print: text for people on stdout, or one JSON value with --json; progress and
// errors go to stderr, so that stdout can be piped.

import { isCoded } from '@cloister/core';
import type { Command } from 'commander';

/** Prints `json` with --json, otherwise the lines. */
export function print(command: Command, json: unknown, lines: readonly string[]): void {
  const wantsJson = command.optsWithGlobals()['json'] === true;
  process.stdout.write(wantsJson ? `${JSON.stringify(json)}\n` : `${lines.join('\n')}\n`);
}

/** A line of progress on stderr, for people at a terminal; silent with --json or --quiet. */
export function progress(command: Command, line: string): void {
  const { json, quiet } = command.optsWithGlobals();
  if (json !== true && quiet !== true) process.stderr.write(`${line}\n`);
}

/** Columns of text, padded; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** An error for people, or as JSON. */
export function describeError(error: unknown, json: boolean): string {
  const code = isCoded(error) ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  const details = isCoded(error) ? error.details : {};
  if (json) return JSON.stringify({ error: { code, message, details } });
  return `cloister: ${message} [${code}]`;
}

/** Millionths of a currency unit as a decimal. */
export function money(micros: string, currency: string): string {
  const digits = micros.padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6, -2)} ${currency}`;
}
