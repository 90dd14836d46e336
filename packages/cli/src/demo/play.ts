// SPDX-License-Identifier: Apache-2.0
// Plays the demo: tells the story on a stage, closes with the summary, stops every process.
import { join } from 'node:path';
import { findSoftwareTpm } from '@cloister/attester';
import { cliError } from '../errors.ts';
import { money, table } from '../output.ts';
import type { Report } from './report.ts';
import { Stage } from './stage.ts';
import { type Told, tellStory } from './story.ts';

export async function playDemo(options: {
  folder: string;
  seed: number;
  report: Report;
  /** The bank's keeper runs on a software TPM. */
  tpm?: boolean;
  /** The folder is removed when the play is over. */
  discard?: boolean;
}): Promise<void> {
  const { folder, seed, report, tpm = false, discard = false } = options;
  const started = performance.now();
  if (tpm) await findSoftwareTpm();
  report.say('SIMULATED: the hardware below is software on this machine and protects nothing.');
  if (tpm) {
    report.say("The bank's keeper is attested by swtpm, a software TPM; a TPM protects no memory.");
  }
  const stage = new Stage(folder);
  const interrupted = interruption();
  try {
    const told = await Promise.race([
      tellStory({ folder, seed, stage, report, ...(tpm ? { makes: { bank: 'tpm' } } : {}) }),
      stage.ended(),
      interrupted.promise,
    ]);
    const total = Math.round(performance.now() - started);
    const left = discard ? discarded(total) : kept(folder, total);
    const lines = [...closingLines(told), '', ...left];
    report.close(summaryOf(told, { ...report.timings, total }), lines);
  } finally {
    interrupted.forget();
    await stage.stop();
  }
}

/**
 * Rejects on Ctrl-C or SIGTERM, so that the stage is stopped in the one place where it always is.
 */
function interruption(): { promise: Promise<never>; forget: () => void } {
  let onSignal: () => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    onSignal = () => reject(cliError('process-failed', 'interrupted; every process was stopped'));
  });
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const forget = () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  return { promise, forget };
}

function summaryOf(told: Told, timings: Readonly<Record<string, number>>) {
  const { size, root, cosignatures, ok } = told.ledger;
  return {
    task: told.task,
    run: told.run.run,
    keepers: told.keepers,
    result: told.result,
    ledger: { size, root, cosignatures, verified: ok },
    usage: told.usage,
    refused: told.refused,
    host: told.host,
    bill: told.bill,
    simulated: true,
    timings,
  };
}

function closingLines(told: Told): string[] {
  const names = Object.keys(told.result[0] ?? {});
  const cells = told.result.map((row) => names.map((name) => cell(row[name])));
  return [
    '',
    'What the insurer opened (groups of fewer than 20 people are left out by the worker):',
    ...table([names, ...cells]).map((line) => `  ${line}`),
    '',
    'What it owes (SIMULATED):',
    ...told.bill.map(
      (bill) => `  ${bill.payer} owes ${bill.payee} ${money(bill.total, bill.currency)}`,
    ),
    '',
    'What was tried and not allowed:',
    ...table(told.refused.map(({ what, code }) => [what, code])).map((line) => `  ${line}`),
    '',
    'What a host sees:',
    `  a row that was put in:  ${told.host.row}`,
    `  what lies on its disk:  ${told.host.ciphertext}...`,
  ];
}

function kept(folder: string, total: number): string[] {
  const insurer = join(folder, 'insurer');
  return [
    `Done in ${(total / 1000).toFixed(1)} s. Everything is in ${folder}`,
    '  charter.json the charter, question.sql the code, input/ what was encrypted, logs/ of all',
    'The processes are stopped. To look around, start a gateway (and the ledger) again:',
    `  npx cloister gateway serve --home ${insurer}   (npx cloister ledger serve --help)`,
    'To do it by hand with your own files: docs/walkthrough.md',
  ];
}

function discarded(total: number): string[] {
  return [
    `Done in ${(total / 1000).toFixed(1)} s. The processes are stopped, and the folder is removed.`,
    'To keep it and look around: npx cloister demo --folder demo',
  ];
}

function cell(value: unknown): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}
