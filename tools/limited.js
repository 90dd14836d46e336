// SPDX-License-Identifier: Apache-2.0
// A command with a limit of time: past it, the command and everything it started is stopped. The
// same happens when this process is told to end.
import { spawn } from 'node:child_process';

const running = /** @type {Set<number>} */ (new Set());

/**
 * @typedef {{ cwd: string, env: NodeJS.ProcessEnv, limitMs: number, show: boolean }} Options
 * @param {string[]} command @param {Options} options
 * @returns {Promise<{ status: number | null, stdout: string, late: boolean, ms: number }>}
 *   the last of what it wrote; `late` when it was stopped
 */
export async function limited([file = '', ...args], { cwd, env, limitMs, show }) {
  const start = Date.now();
  // A group of its own, so that grandchildren can be stopped too.
  const child = spawn(file, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (/** @type {Buffer} */ chunk) => {
    if (show) process.stdout.write(chunk);
    stdout = (stdout + chunk.toString('utf8')).slice(-1_000_000);
  });
  if (child.pid !== undefined) running.add(child.pid);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop(child.pid);
    child.stdout.destroy();
  }, limitMs);
  const status = await new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', () => resolve(null));
  });
  clearTimeout(timer);
  if (child.pid !== undefined) running.delete(child.pid);
  return { status, stdout, late, ms: Date.now() - start };
}

/** Stops all that runs now. */
export function stopAll() {
  for (const pid of running) stop(pid);
}

/** @param {number | undefined} pid */
function stop(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
