// SPDX-License-Identifier: Apache-2.0
// What adding a dataset costs beside DuckDB's own COPY of the same file to Parquet: inspecting,
// converting, encrypting, proving, opening again and comparing every value, as the gateway's work
// does it, without its ledger. Ratios are of processor time, the two side by side in one run; the
// goal is 1.8 times COPY's with the check on, and memory that does not grow with the file.
//
//   npm run bench add -- --sizes 10,100,1000 --formats csv,jsonl,parquet --passes 3
//
// Sizes are megabytes of the file that comes, up to 10,000. Each pass is a process of its own; the
// least of the passes counts, because whatever else the machine does only adds. Needs a build.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';

const ONCE = fileURLToPath(new URL('add/once.mjs', import.meta.url));
const GOAL = 1.8;
const MB = 1e6;
const MOST_MB = 10_000;
const TRIAL_ROWS = 20_000;
const ENDS = { csv: '.csv', jsonl: '.jsonl', parquet: '.parquet' };
const SETTINGS = {
  csv: 'FORMAT csv, HEADER true',
  jsonl: 'FORMAT json',
  parquet: 'FORMAT parquet, COMPRESSION snappy',
};

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10,50' },
    formats: { type: 'string', default: 'csv,jsonl,parquet' },
    passes: { type: 'string', default: '2' },
  },
});
const sizes = options.sizes.split(',').map(Number);
const formats = options.formats.split(',');
const passes = Number(options.passes);
const fits =
  sizes.every((size) => size > 0 && size <= MOST_MB) &&
  formats.every((format) => format in ENDS) &&
  Number.isInteger(passes) &&
  passes > 0;
if (!fits) {
  const wanted = `--sizes from 1 to ${MOST_MB}, --formats of ${Object.keys(ENDS)}, --passes from 1`;
  process.stderr.write(`cannot run with these options: wanted ${wanted}\n`);
  process.exit(1);
}

const say = (line) => process.stdout.write(`${line}\n`);
const row = (...cells) =>
  say(`  ${cells.map((c, i) => (i === 0 ? c.padEnd(16) : c.padStart(12))).join('')}`);

/**
 * Orders of a shop: ids, a code of few values, names, prices, measurements, days, times, flags and
 * remarks with commas and quotes; one value in seven is absent where some may be.
 */
function rowsOf(count) {
  const some = (salt) => `(hash(i * 16 + ${salt}) % 1000003)::BIGINT`;
  return `SELECT
    1000000 + i AS id,
    'C' || (${some(1)} % 5000) AS customer,
    ['open', 'paid', 'sent', 'back'][1 + ${some(2)} % 4] AS state,
    (${some(3)} / 100)::DECIMAL(9, 2) AS price,
    ${some(4)} % 20 AS pieces,
    sqrt(${some(5)}) AS measured,
    DATE '2020-01-01' + (${some(6)} % 1800)::INTEGER AS day,
    TIMESTAMP '2024-01-01 00:00:00' + to_seconds(${some(7)} * 60 + i % 60) AS at,
    ${some(8)} % 3 = 0 AS gift,
    CASE WHEN ${some(9)} % 7 > 0 THEN
      'left at the door, "by the ' || ['gate', 'garden', 'neighbour'][1 + ${some(10)} % 3] ||
      '", ' || ${some(11)} END AS remark
    FROM range(${count}) t(i)`;
}

async function write(path, format, rows) {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${rowsOf(rows)}) TO '${path}' (${SETTINGS[format]})`);
  connection.closeSync();
  instance.closeSync();
  return (await stat(path)).size;
}

/** Seconds of wall and processor, and the most memory, of one process. */
function once(kind, path) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [ONCE, kind, path], {
    encoding: 'utf8',
    maxBuffer: 1 << 24,
  });
  if (status !== 0) throw new Error(`${kind} ended with ${status}: ${stderr.slice(-2_000)}`);
  return JSON.parse(stdout);
}

function least(runs) {
  const min = (of) => Math.min(...runs.map(of));
  return { wall: min((r) => r.wall), cpu: min((r) => r.cpu), memory: min((r) => r.memory) };
}

const figure = (value, digits = 2) => value.toFixed(digits);
const folder = await mkdtemp(join(tmpdir(), 'cloister-bench-add-'));
try {
  say(`  goal: ${GOAL} times the processor time of DuckDB's COPY, memory flat`);
  row('', 'MB/s', 'CPU s', 'CPU / COPY', 'wall / COPY', 'peak MB');
  for (const format of formats) {
    for (const size of sizes) {
      const path = join(folder, `data${ENDS[format]}`);
      const trial = await write(path, format, TRIAL_ROWS);
      const rows = Math.max(1, Math.round((size * MB * TRIAL_ROWS) / trial));
      const bytes = await write(path, format, rows);
      const [copies, adds] = [[], []];
      for (let pass = 0; pass < passes; pass++) {
        copies.push(once('copy', path));
        adds.push(once('add', path));
      }
      const [copy, add] = [least(copies), least(adds)];
      const told = (name, { wall, cpu, memory }) =>
        row(
          name,
          figure(bytes / MB / wall, 1),
          figure(cpu),
          figure(cpu / copy.cpu),
          figure(wall / copy.wall),
          figure(memory / MB, 0),
        );
      say(`  ${format}, ${figure(bytes / MB, 0)} MB, ${rows} rows`);
      told('  COPY', copy);
      told('  add', add);
      const parts = Object.keys(adds[0].steps)
        .map((step) => `${step} ${figure(Math.min(...adds.map((r) => r.steps[step])))}`)
        .join(', ');
      say(`    CPU s of add: ${parts}`);
      await rm(path);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
