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

/** Sends files, says what they hold, and begins work on them; what was sent is gone if it fails. */
export async function sendFiles(
  admin: AdminClient,
  of: { files: readonly string[]; options: DialectOptions; say: (line: string) => void },
  begin: (uploads: string[]) => Promise<DatasetJob>,
): Promise<DatasetJob> {
  const { files, options, say } = of;
  const uploads: string[] = [];
  try {
    for (const file of files) {
      const { upload: id, ...seen } = await upload(admin, { file, options, say });
      uploads.push(id);
      for (const line of inspectionLines(seen)) say(line);
    }
    return await begin(uploads);
  } catch (error) {
    for (const id of uploads) await admin.discardUpload(id).catch(() => undefined);
    throw error;
  }
}

/** @throws CodedError `file-unreadable`, and why the gateway refuses it */
export async function upload(
  admin: AdminClient,
  of: { file: string; options: DialectOptions; samples?: number; say: (line: string) => void },
) {
  const { file: path, options, samples = 0, say } = of;
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

/** What a file holds; `rules` are those of a policy, by the order of the columns. */
export function inspectionLines(
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
export function checkLines({ findings, notes }: DatasetCheck): string[] {
  return [
    ...notes.map((note) => `note: ${note}`),
    ...findings.map(({ code, message }) => `would be refused: ${message} [${code}]`),
  ];
}
