// SPDX-License-Identifier: Apache-2.0
// One file made Parquet by DuckDB's COPY, or added as the gateway adds it, in a process of its own:
// tells seconds of wall and processor, and the most memory that the process had.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileBlobs } from '@cloister/core/node';
import { DuckDBInstance } from '@duckdb/node-api';

const gateway = (name) => import(new URL(`../../dist/${name}.js`, import.meta.url));
const [kind, path] = process.argv.slice(2);
const folder = await mkdtemp(join(dirname(path), `${kind}-`));
const steps = {};
let step = '';
let stepFrom = 0;

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
function begin(name) {
  if (name === step) return;
  if (step !== '') steps[step] = (steps[step] ?? 0) + cpu() - stepFrom;
  [step, stepFrom] = [name, cpu()];
}

const READERS = { '.csv': 'read_csv', '.jsonl': 'read_json', '.parquet': 'read_parquet' };

async function copy() {
  const ending = Object.keys(READERS).find((one) => path.endsWith(one));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const to = join(folder, 'copy.parquet');
  const rows = `FROM ${READERS[ending]}('${path}')`;
  await connection.run(`COPY (${rows}) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`);
  connection.closeSync();
  instance.closeSync();
}

/** As `makeVersion` does, without keepers and ledger. */
async function add() {
  const { asOneTable, convertAll, inspectAll } = await gateway('datasets/convert-all');
  const { encryptFile } = await gateway('datasets/encrypt-file');
  await mkdir(join(folder, 'uploads'));
  const upload = join(folder, 'uploads', path.slice(dirname(path).length + 1));
  await copyFile(path, upload);
  const node = {
    home: folder,
    genesis: randomBytes(32),
    blobs: new FileBlobs(join(folder, 'blobs')),
  };
  const started = [performance.now(), cpu()];
  begin('inspecting');
  const seen = asOneTable(await inspectAll([upload], () => undefined), { types: {} });
  begin('converting');
  const { files, columns } = await convertAll([upload], seen, () => undefined);
  const schema = { name: 'bench', columns: columns.map((column, i) => ({ id: i + 1, ...column })) };
  const keys = new Map(
    [0, ...schema.columns.map(({ id }) => id)].map((id) => [id, randomBytes(32)]),
  );
  const entry = { dataset: randomBytes(16), version: 1, name: 'bench', keys };
  const of = { source: files[0], schema, entry, file: 0 };
  await encryptFile(node, of, ({ state }) => begin(state));
  begin('end');
  return started;
}

let [wallFrom, cpuFrom] = [performance.now(), cpu()];
try {
  if (kind === 'copy') await copy();
  else [wallFrom, cpuFrom] = await add();
} finally {
  await rm(folder, { recursive: true, force: true });
}
const told = {
  wall: (performance.now() - wallFrom) / 1e3,
  cpu: cpu() - cpuFrom,
  memory: process.resourceUsage().maxRSS * 1024,
  steps,
};
process.stdout.write(JSON.stringify(told));
