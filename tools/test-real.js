// SPDX-License-Identifier: Apache-2.0
// `npm run test:real [lane...]`: sets up the programs that a lane needs, outside the repository,
// and runs its `*.real.<lane>.test.ts` files. Without a name every lane that has such files runs. A
// lane whose program cannot be had is skipped for the reason `tool`; with CI=true that is a
// failure. Ends with the minutes of each lane and `N passed, N failed, N skipped` alone on the last
// line. Plain JavaScript, because Node 20 cannot run TypeScript by itself.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerProgram } from './peers.js';
import { PYARROW, PYSPARK, pythonWith, setUp } from './python.js';
import { tpch } from './tpch.js';

const LANE_TIMEOUT_MS = 20 * 60_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const ci = process.env['CI'] === 'true';

/**
 * What a lane needs: answers the environment variables for its tests, or throws with the reason why
 * the tool cannot be had.
 * @type {Record<string, () => Record<string, string>>}
 */
const LANES = {
  interop: () => {
    program(['javac'], ['default-jdk-headless']);
    return { CLOISTER_PYTHON: pythonWith({ pyarrow: PYARROW, pyspark: PYSPARK }) };
  },
  browser: () => {
    const chromium = ['chromium', 'chromium-browser', 'google-chrome'];
    return { CLOISTER_CHROMIUM: program(chromium, ['chromium']) };
  },
  swtpm: () => {
    program(['swtpm_setup'], ['swtpm-tools']);
    return {
      CLOISTER_SWTPM: program(['swtpm'], ['swtpm']),
      CLOISTER_TPM2: program(['tpm2'], ['tpm2-tools']),
    };
  },
  go: () => ({ CLOISTER_GO_PEER: peerProgram('go-guests', program(['go'], ['golang-go'])) }),
  rust: () => ({ CLOISTER_RUST_PEER: peerProgram('dcap-qvl', program(['cargo'], ['cargo'])) }),
  tpch: () => ({ CLOISTER_TPCH: JSON.stringify(tpch(0.01)) }),
  // Long, not outside: nothing to set up.
  bits: () => ({}),
  sim: () => ({}),
};

/**
 * The path of the first of `names` on PATH; in CI, as root on Debian, installs `packages` first.
 * @param {string[]} names @param {string[]} packages @returns {string}
 */
function program(names, packages) {
  const found = onPath(names);
  if (found !== undefined) return found;
  if (!ci || process.getuid?.() !== 0) {
    throw new Error(`${names[0]} is not installed (Debian: apt-get install ${packages.join(' ')})`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  setUp('apt-get', ['update', '-q'], env);
  setUp('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], env);
  const installed = onPath(names);
  if (installed === undefined) throw new Error(`${packages.join(' ')} brought no ${names[0]}`);
  return installed;
}

/** @param {string[]} names @returns {string | undefined} */
function onPath(names) {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/bin', '/usr/sbin');
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

/** The lanes that have test files now. @returns {string[]} */
function lanesWithFiles() {
  const lanes = new Set();
  const packages = join(root, 'packages');
  for (const name of readdirSync(packages)) {
    const src = join(packages, name, 'src');
    if (!existsSync(src)) continue;
    for (const file of readdirSync(src, { recursive: true })) {
      const lane = /\.real\.([a-z0-9-]+)\.test\.ts$/.exec(String(file))?.[1];
      if (lane !== undefined) lanes.add(lane);
    }
  }
  return [...lanes].sort();
}

/**
 * Runs one lane's files and reads the tally from the last line.
 * @param {string} lane @param {Record<string, string>} env
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>}
 */
async function runTests(lane, env) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run'], {
    cwd: root,
    env: { ...process.env, ...env, CLOISTER_LANE: lane },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LANE_TIMEOUT_MS,
  });
  let tail = '';
  child.stdout.on('data', (/** @type {Buffer} */ chunk) => {
    process.stdout.write(chunk);
    tail = (tail + chunk.toString('utf8')).slice(-10_000);
  });
  const status = await new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', () => resolve(null));
  });
  const line = [...tail.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  if (line === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = line.slice(1).map(Number);
  // A run can fail without a failed test: an untagged skip, an error outside any test.
  const silent = status !== 0 && failed === 0 ? 1 : 0;
  return { passed: passed ?? 0, failed: (failed ?? 0) + silent, skipped: skipped ?? 0 };
}

async function main() {
  const present = lanesWithFiles();
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((lane) => !present.includes(lane));
  const total = { passed: 0, failed: 0, skipped: 0 };
  if (unknown.length > 0) {
    const known = present.length === 0 ? 'none' : present.join(', ');
    process.stderr.write(`no tests for the lane ${unknown.join(', ')}; lanes: ${known}\n`);
    total.failed += unknown.length;
  }
  for (const lane of wanted.length > 0 ? wanted.filter((l) => present.includes(l)) : present) {
    const start = Date.now();
    /** @type {Record<string, string> | undefined} */
    let env;
    try {
      const prepare = LANES[lane];
      if (prepare === undefined) throw new Error('tools/test-real.js has no set-up for it');
      env = prepare();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      process.stdout.write(`lane ${lane} [skip: tool]: ${why}\n`);
      total[ci ? 'failed' : 'skipped'] += 1;
    }
    if (env !== undefined) {
      const tally = await runTests(lane, env);
      total.passed += tally.passed;
      total.failed += tally.failed;
      total.skipped += tally.skipped;
    }
    process.stdout.write(`lane ${lane}: ${((Date.now() - start) / 60_000).toFixed(1)} min\n`);
  }
  process.stdout.write(
    `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
  );
  process.exitCode = total.failed > 0 ? 1 : 0;
}

await main();
