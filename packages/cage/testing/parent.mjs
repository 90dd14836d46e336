// SPDX-License-Identifier: Apache-2.0
// A parent that starts a program which waits, in the cage that its argument names, says the ids of
// both on its stdout, and waits to be killed. It runs what was built.
// @ts-check
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { openCage, programFiles } = await import(
  String(new URL('../dist/index.js', import.meta.url))
);
const cage = await openCage([process.argv[2]]);
const { files } = await programFiles('/bin/sh');
const caged = cage.start({
  program: '/bin/sh',
  args: ['-c', 'echo here >&2; while :; do :; done'],
  folder: mkdtempSync(join(tmpdir(), 'cloister-parent-')),
  folderBytes: 65_536,
  reads: files,
  writes: [],
  limits: { dataBytes: 2 ** 28, fileBytes: 0, openFiles: 64, tasks: 16, cpuSeconds: 20 },
  pipes: 0,
});
caged.process.stderr.once('data', () => {
  const { level, measures } = caged.held();
  const said = { way: cage.way, level, measures, inside: caged.inside() };
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
