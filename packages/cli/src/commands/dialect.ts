// SPDX-License-Identifier: Apache-2.0
// How a file is written, as options say it and as the file beside it does (spec/dataset.md,
// Dialects): both are said together, and where they differ that is an error, not a choice of ours.
import {
  apiError,
  DIALECT_PARTS,
  type Dialect,
  dialectOption,
  type Inspection,
  parseDialect,
} from '@cloister/api';
import { isCoded, utf8 } from '@cloister/core';
import type { Command } from 'commander';
import { cliError } from '../errors.ts';
import { readJson, writeNamed } from '../named-files.ts';
import { collect } from './options.ts';

/** What commander makes of the options. */
export interface DialectOptions {
  readonly delimiter?: string;
  readonly quote?: string;
  readonly header?: string;
  readonly null?: readonly string[];
  readonly encoding?: string;
  readonly decimal?: string;
  readonly thousands?: string;
  readonly dateFormat?: readonly string[];
  readonly zone?: string;
}

const NAMED: Readonly<Record<string, string>> = { tab: '\t', '\\t': '\t', space: ' ' };
const ENCODINGS: Readonly<Record<string, string>> = {
  utf8: 'utf-8',
  latin1: 'iso-8859-1',
  'latin-1': 'iso-8859-1',
  cp1252: 'windows-1252',
};

/** Adds the options that say how a text file is written. */
export function withDialect(command: Command): Command {
  return command
    .option('--delimiter <char>', 'what divides fields: a character, or tab or space')
    .option('--quote <char>', 'what fields are quoted with, or none')
    .option('--header <yes|no>', 'whether the first row names the columns')
    .option('--null <text>', 'a bare field that is an absent value; repeat', collect)
    .option('--encoding <name>', 'such as utf-8, utf-16le, windows-1252, latin-1')
    .option('--decimal <mark>', 'the decimal mark: . or ,')
    .option('--thousands <mark>', 'the mark between thousands: a character, space or none')
    .option('--date-format <form>', 'how days and times are written, as %d.%m.%Y; repeat', collect)
    .option('--zone <zone>', 'zone of times that name none: UTC, +02:00, Europe/Berlin')
    .option('--strict', 'refuse what would be cut, or kept as text by a warning');
}

/** @throws CodedError `option-malformed`, `dialect-malformed` */
export function saidByOptions(options: DialectOptions): Dialect {
  const { header, encoding, null: absent } = options;
  if (header !== undefined && header !== 'yes' && header !== 'no') {
    throw cliError('option-malformed', `--header: wanted yes or no, got ${header}`);
  }
  const character = (text: string | undefined) => {
    if (text === undefined) return undefined;
    return text === 'none' ? null : (NAMED[text] ?? text);
  };
  const said = {
    delimiter: character(options.delimiter),
    quote: character(options.quote),
    header: header === undefined ? undefined : header === 'yes',
    // The empty field is always an absent value; alone it says that nothing else is.
    null: absent?.filter((text) => text !== ''),
    encoding: encoding === undefined ? undefined : lowered(encoding),
    decimal: options.decimal,
    thousands: character(options.thousands),
    dateFormat: options.dateFormat,
    zone: options.zone === 'none' ? null : options.zone,
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return parseDialect(Object.fromEntries(given), 'the options');
}

function lowered(encoding: string): string {
  const name = encoding.toLowerCase();
  return ENCODINGS[name] ?? name;
}

/** The file beside `path` that says how it is written. */
export function dialectFileOf(path: string): string {
  return `${path}.dialect.json`;
}

/**
 * What the options and the file beside the data say together.
 * @throws CodedError `dialect-malformed`, `dialect-conflict`, `file-malformed`
 */
export async function saidOf(path: string, options: DialectOptions): Promise<Dialect> {
  const said = saidByOptions(options);
  const file = dialectFileOf(path);
  const kept = await readJson(file).catch((error: unknown) => {
    if (isCoded(error, 'file-unreadable')) return {};
    throw error;
  });
  const written = parseDialect(kept, file);
  for (const part of DIALECT_PARTS) {
    const [one, other] = [said[part], written[part]].map((value) => JSON.stringify(value));
    if (one === undefined || other === undefined || one === other) continue;
    const message = `${dialectOption(part)} says ${one}, and ${file} ${other}: change one of them`;
    throw apiError('dialect-conflict', message);
  }
  return { ...written, ...said };
}

/** Writes what a file was read by beside it; what was kept there is a part of that. */
export async function keepDialect(path: string, { dialect }: Inspection): Promise<string> {
  if (dialect === null) {
    const message = 'a Parquet file says itself how it is written: leave --write-dialect out';
    throw cliError('option-malformed', message);
  }
  const file = dialectFileOf(path);
  await writeNamed(file, utf8(`${JSON.stringify(dialect, null, 2)}\n`));
  return file;
}

/** The options that say how a file was read, as one would type them. */
export function dialectLines({ dialect, byteOrderMark }: Omit<Inspection, 'upload'>): string[] {
  if (dialect === null) return [];
  const texts = DIALECT_PARTS.flatMap((part) => {
    const value = dialect[part];
    if (value === undefined || (value === null && part !== 'quote')) return [];
    const all = Array.isArray(value) ? value : [value];
    return all.map((one) => `${dialectOption(part)} ${typed(one)}`);
  });
  const unclear =
    dialect.delimiter !== undefined && dialect.decimal === undefined
      ? ['; the decimal mark is not clear (--decimal)']
      : [];
  const mark = byteOrderMark ? ['; it begins with a byte-order mark'] : [];
  return [`read with ${texts.join(' ')}${[...unclear, ...mark].join('')}`];
}

function typed(value: string | boolean | null): string {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (value === '\t') return 'tab';
  if (/^[\w%+:./-]+$/.test(value)) return value;
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}
