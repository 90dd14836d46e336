// SPDX-License-Identifier: Apache-2.0
// Entry of the `cloister` command: runs it, prints an error once, answers with its exit status.
import { CommanderError } from 'commander';
import { exitStatusOf } from './errors.ts';
import { describeError } from './output.ts';
import { buildProgram } from './program.ts';

// A process that another one started ends with it: its stdin closes. Listening for that must not
// keep it alive when it has stopped by itself.
if (process.argv.includes('--exit-with-stdin')) {
  process.stdin.resume().once('close', () => process.kill(process.pid, 'SIGTERM'));
  process.stdin.unref();
}
// Whoever reads us may have read enough (`cloister ledger list | head`): that is no fault.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
const program = buildProgram().exitOverride();
for (const command of [...program.commands, ...program.commands.flatMap((c) => c.commands)]) {
  command.exitOverride();
}
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 1;
  } else {
    // What the command left under way (a poll, a request) must not keep a failed one alive.
    const text = `${describeError(error, process.argv.includes('--json'))}\n`;
    process.stderr.write(text, () => process.exit(exitStatusOf(error)));
  }
}
