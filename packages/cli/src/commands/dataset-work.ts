// SPDX-License-Identifier: Apache-2.0
// Files on their way into a dataset: sent, inspected, followed, and what came of it.
import { constants, openAsBlob } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { AdminClient, DatasetCheck, DatasetJob, Inspection } from '@cloister/api';
import type { Command } from 'commander';
import { cliError } from '../errors.ts';
import { unreadable } from '../named-files.ts';
import { print, table } from '../output.ts';
import { type DialectOptions, dialectLines, saidOf } from './dialect.ts';

/** Only sending that takes longer says how far it is. */
const QUIET_MS = 2_000;

/** A file that has been sent, and what is in it. */
interface SentFile {
  readonly file: string;
  readonly seen: Inspection;
}

interface Sending {
  readonly files: readonly string[];
  readonly options: DialectOptions;
  /** Values of each column to show. */
  readonly samples?: number;
  readonly say: (line: string) => void;
}

/** Sends files, says what they hold, and begins work on them; what was sent is gone if it fails. */
export function sendFiles(
  admin: AdminClient,
  of: Sending,
  begin: (uploads: string[]) => Promise<DatasetJob>,
): Promise<DatasetJob> {
  return withUploads(admin, of, async (found) => {
    for (const { seen } of found) for (const line of inspectionLines(seen)) of.say(line);
    return begin(found.map(({ seen }) => seen.upload));
  });
}

/** Sends files and has something done with them; what was sent is gone if that fails. */
export async function withUploads<T>(
  admin: AdminClient,
  of: Sending,
  act: (found: SentFile[]) => Promise<T>,
): Promise<T> {
  const found: SentFile[] = [];
  try {
    for (const file of of.files) found.push({ file, seen: await upload(admin, file, of) });
    return await act(found);
  } catch (error) {
    for (const { seen } of found) await admin.discardUpload(seen.upload).catch(() => undefined);
    throw error;
  }
}

/** @throws CodedError `file-unreadable`, and why the gateway refuses it */
async function upload(admin: AdminClient, path: string, of: Sending): Promise<Inspection> {
  const { options, samples = 0, say } = of;
  await mustRead(path);
  const dialect = await saidOf(path, options);
  const file = await openAsBlob(path);
  const now = sometimes(say);
  return admin.upload(basename(path), file, {
    dialect,
    samples,
    onSent: (bytes) => now(() => `uploading, ${megabytes(bytes)} of ${megabytes(file.size)} MB`),
    onInspected: (rows) => say(`inspecting, ${rows} rows so far`),
  });
}

/** What cannot be read is told as that before it is sent. @throws CodedError `file-unreadable` */
async function mustRead(path: string): Promise<void> {
  const info = await access(path, constants.R_OK)
    .then(() => stat(path))
    .catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
  if (info.isFile()) return;
  const what = info.isDirectory() ? 'a folder' : 'no plain file';
  throw cliError('file-unreadable', `cannot read ${path}: it is ${what}`);
}

/** Says a line only when the last one, or the beginning, is a while ago. */
function sometimes(say: (line: string) => void): (line: () => string) => void {
  let last = performance.now();
  return (line) => {
    const now = performance.now();
    if (now - last < QUIET_MS) return;
    last = now;
    say(line());
  };
}

/** Says where work on a dataset is, each line once. */
export function newsTo(say: (line: string) => void): (job: DatasetJob) => void {
  let last = '';
  return (job) => {
    const line = stateLine(job);
    if (line !== last) say(line);
    last = line;
  };
}

export function stateLine({ state, file, files, progress }: DatasetJob): string {
  if (state === 'queued') return 'waiting its turn';
  const which = files > 1 && file > 0 ? ` file ${file} of ${files}` : '';
  if (progress === null) return `${state}${which}`;
  const { done, of, unit } = progress;
  return unit === 'bytes'
    ? `${state}${which}, ${megabytes(done)} of ${megabytes(of)} MB`
    : `${state}${which}, ${done} of ${of} ${unit}`;
}

export function printAdded(command: Command, added: NonNullable<DatasetJob['added']>): void {
  const { dataset: d, recorded } = added;
  print(command, added, [
    `${d.owner}/${d.name} version ${d.version}: ${d.rows} rows, ` +
      `${d.bytes} encrypted bytes, on the ledger at ${recorded.seq}`,
    ...table([['column', 'type', 'rule'], ...d.columns.map((c) => [c.name, c.type, c.rule])]),
  ]);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}

/** What files hold, and what a check of them as one dataset found. */
export function foundLines(
  files: readonly (Omit<Inspection, 'upload'> & { readonly file: string })[],
  check: DatasetCheck,
): string[] {
  const rules = check.columns.map(({ rule }) => rule);
  const [first, ...more] = files;
  if (first !== undefined && more.length === 0) {
    return [...inspectionLines(first, rules), ...checkLines(check)];
  }
  const ruled = rules.some((rule) => rule !== null);
  const rows = check.columns.map(({ name, type, rule }) => [
    name,
    type,
    ...(ruled ? [rule ?? ''] : []),
  ]);
  return [
    ...files.flatMap((seen) => [`${seen.file}:`, ...inspectionLines(seen)]),
    `as one table, ${files.reduce((sum, { rows: n }) => sum + n, 0)} rows:`,
    ...table([['column', 'type', ...(ruled ? ['rule'] : [])], ...rows]),
    ...checkLines(check),
  ];
}

/** What a file holds; `rules` are those of a policy, by the order of the columns. */
function inspectionLines(
  seen: Omit<Inspection, 'upload'>,
  rules: readonly (string | null)[] = [],
): string[] {
  const sampled = seen.columns.some(({ samples }) => samples !== undefined);
  const ruled = rules.some((rule) => rule !== null);
  const row = (cells: string[], samples: string, rule: string) => [
    ...cells,
    ...(ruled ? [rule] : []),
    ...(sampled ? [samples] : []),
  ];
  const rows = seen.columns.map(({ name, type, nulls, samples = [] }, i) =>
    row([name, type, String(nulls)], samples.map(shown).join(' | '), rules[i] ?? ''),
  );
  return [
    `${seen.format}, ${seen.rows} rows, ${seen.columns.length} columns`,
    ...dialectLines(seen),
    ...table([row(['column', 'type', 'nulls'], 'samples', 'rule'), ...rows]),
    ...warningLines(seen.warnings),
  ];
}

/** Each warning; what a kind means stands below the first of it. */
function warningLines(warnings: Inspection['warnings']): string[] {
  const told = new Set<string>();
  return warnings.flatMap(({ kind, says, means }) => {
    const first = !told.has(kind);
    told.add(kind);
    return [`warning: ${says}`, ...(first ? [`  ${kind}: ${means}`] : [])];
  });
}

/** A value on one line of a terminal, whatever is in it. */
function shown(value: string): string {
  return value.replace(/[\p{C}\p{Zl}\p{Zp}|\\]/gu, (sign) => {
    return `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** What a check found, beside what a file holds. */
function checkLines({ findings, notes }: DatasetCheck): string[] {
  return [
    ...notes.map((note) => `note: ${note}`),
    ...findings.map(({ code, message }) => `would be refused: ${message} [${code}]`),
  ];
}
