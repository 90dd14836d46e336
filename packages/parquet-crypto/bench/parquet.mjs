// SPDX-License-Identifier: Apache-2.0
// What encrypting and decrypting Parquet files costs, in gigabytes of plain file a second:
//
//   1. modules of megabytes, memory to memory, on one core, beside AES-256-GCM of the same runtime
//      over pieces of that size: the goal is 1.2 GB/s each way
//   2. lineitem of TPC-H, file to file, on one core and on all
//   3. the same rows through pyarrow's own encryption, on one core
//   4. the largest resident set for lineitem at scale factors 1 and 10
//
// Medians of interleaved passes, after one to warm up; run after a build. Files lie in the cache
// and in the folder for temporary files, some 8 GB while the last part runs.
import { spawn, spawnSync } from 'node:child_process';
import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  BufferSink,
  bufferSource,
  CryptoPool,
  decryptProjection,
  encryptParquet,
  masterKeys,
  readSchema,
} from '@cloister/parquet-crypto';
import { DuckDBInstance } from '@duckdb/node-api';
import { PYARROW, pythonWith, TPCHGEN, tpchTable } from '../../../tools/python.js';
import { COLUMN_KEY, FOOTER_KEY } from './parquet/keys.mjs';
import { once } from './parquet/once.mjs';

const PASSES = 5;
const UPDATE = 64 * 1024;
const ONCE = fileURLToPath(new URL('parquet/once.mjs', import.meta.url));
const PEER = fileURLToPath(new URL('parquet/pyarrow_peer.py', import.meta.url));
const INTEROP = fileURLToPath(new URL('../interop', import.meta.url));
const CORES = availableParallelism();
const POOL = `pool of ${CORES}`;

const keys = masterKeys(new Map([FOOTER_KEY, COLUMN_KEY].map((k) => [k.id, k.masterKey])));
const nowhere = { write: async () => undefined };
const say = (line) => process.stdout.write(`${line}\n`);
const gb = (bytes, seconds) => (bytes / seconds / 1e9).toFixed(2);
const row = (name, ...cells) =>
  say(`  ${name.padEnd(44)}${cells.map((c) => c.padStart(13)).join('')}`);

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Medians of each named piece of work; passes go round, so that all meet the same weather. */
async function inTurns(works, passes = PASSES) {
  const seen = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let pass = 0; pass <= passes; pass++) {
    for (const [name, work] of Object.entries(works)) {
      const { wall, cpu } = await work();
      if (pass > 0) seen[name].push({ wall, cpu });
    }
  }
  return Object.fromEntries(
    Object.entries(seen).map(([name, runs]) => {
      return [name, { wall: median(runs.map((r) => r.wall)), cpu: median(runs.map((r) => r.cpu)) }];
    }),
  );
}

/** Seconds of wall and processor of work in this process. */
async function timed(work) {
  const before = process.cpuUsage();
  const started = performance.now();
  await work();
  const wall = (performance.now() - started) / 1e3;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1e6 };
}

/** AES-256-GCM of node:crypto over pieces of one size; larger updates than this are slower. */
function bare(bytes, piece) {
  const key = randomBytes(32);
  for (let start = 0; start < bytes.length; start += piece) {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12));
    const end = Math.min(bytes.length, start + piece);
    for (let at = start; at < end; at += UPDATE) {
      cipher.update(bytes.subarray(at, Math.min(end, at + UPDATE)));
    }
    cipher.final();
    cipher.getAuthTag();
  }
}

async function duck(sql) {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}

async function encryptTo(sink, plain) {
  const { columns } = await readSchema(bufferSource(plain));
  const columnKeys = new Map(columns.map((column) => [column.path, COLUMN_KEY]));
  const source = bufferSource(plain);
  return await encryptParquet({ source, sink, footerKey: FOOTER_KEY, columnKeys });
}

async function largeModules(folder) {
  const path = join(folder, 'doubles.parquet');
  const format = 'FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 1000000';
  const columns = ['a', 'b', 'c', 'd'];
  const values = columns.map((name) => `random() AS ${name}`).join(', ');
  await duck(`COPY (SELECT ${values} FROM range(4000000)) TO '${path}' (${format})`);
  const plain = new Uint8Array(await readFile(path));
  const sink = new BufferSink();
  const { pages } = await encryptTo(sink, plain);
  const sealed = sink.bytes();
  const piece = Math.round(plain.length / pages);
  const decrypt = (names) =>
    decryptProjection({ source: bufferSource(sealed), sink: nowhere, keys, columns: names });
  const times = await inTurns({
    'bare AES-256-GCM': () => timed(async () => bare(plain, piece)),
    encrypt: () => timed(() => encryptTo(nowhere, plain)),
    decrypt: () => timed(() => decrypt(columns)),
  });
  say(`1. pages of ${(piece / 1e6).toFixed(1)} MB, memory to memory, one core; goal 1.2 each way`);
  row('', 'GB/s', 'of bare');
  const base = times['bare AES-256-GCM'].cpu;
  for (const [name, { cpu }] of Object.entries(times)) {
    row(name, gb(plain.length, cpu), (base / cpu).toFixed(2));
  }
}

async function lineitemRates(folder, plain) {
  const [sealed, back] = [join(folder, 'sealed'), join(folder, 'back')];
  const bytes = (await stat(plain)).size;
  const content = new Uint8Array(await readFile(plain));
  const { pages } = await encryptTo(nowhere, content);
  const piece = Math.round(bytes / pages);
  const pool = new CryptoPool(CORES);
  const works = { bare: () => timed(async () => bare(content, piece)) };
  for (const [name, threads] of Object.entries({ 'one thread': undefined, [POOL]: pool })) {
    works[`encrypt, ${name}`] = () => timed(() => once('encrypt', plain, sealed, threads));
    works[`decrypt, ${name}`] = () => timed(() => once('decrypt', sealed, back, threads));
    works[`prove, ${name}`] = () => timed(() => once('prove', sealed, undefined, threads));
  }
  const { bare: base, ...times } = await inTurns(works, 3);
  await pool.close();
  const mean = `${(piece / 1e3).toFixed(0)} kB`;
  say(`\n2. ${(bytes / 1e6).toFixed(0)} MB of lineitem, ${pages} pages of ${mean} in the mean,`);
  say('   file to file; a core is a second of processor time, input and output counted');
  row('', 'GB/s', 'GB/s a core');
  row(`bare AES-256-GCM in pieces of ${mean}`, gb(bytes, base.wall), gb(bytes, base.cpu));
  for (const [name, { wall, cpu }] of Object.entries(times)) {
    row(name, gb(bytes, wall), gb(bytes, cpu));
  }
}

/** The program beside, asked line by line. */
function peer(python) {
  const child = spawn(python, [PEER, INTEROP], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const answer = JSON.parse((await answers.next()).value ?? '{"error": "it has ended"}');
      if (answer.error !== undefined) throw new Error(`pyarrow: ${answer.error}`);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}

async function besidePyarrow(folder, plain, python) {
  const names = ['pyarrow-plain', 'pyarrow-sealed', 'ours-sealed', 'ours-plain'];
  const [rewritten, theirs, ours, back] = names.map((name) => join(folder, name));
  const arrow = peer(python);
  const hex = ({ id, masterKey }) => [id, Buffer.from(masterKey).toString('hex')];
  await arrow.ask({ op: 'setup', keys: Object.fromEntries([FOOTER_KEY, COLUMN_KEY].map(hex)) });
  const { columns } = await readSchema(bufferSource(new Uint8Array(await readFile(plain))));
  const paths = columns.map((column) => column.path);
  const write = { op: 'write', columns: paths };
  // Both start from the file that pyarrow wrote: the same pages on either side.
  await arrow.ask({ op: 'read', path: plain, encrypted: false });
  await arrow.ask({ ...write, path: rewritten, encrypted: false });
  const bytes = (await stat(rewritten)).size;
  const t = await inTurns(
    {
      read: () => arrow.ask({ op: 'read', path: rewritten, encrypted: false }),
      write: () => arrow.ask({ ...write, path: join(folder, 'again'), encrypted: false }),
      writeSealed: () => arrow.ask({ ...write, path: theirs, encrypted: true }),
      encrypt: () => timed(() => once('encrypt', rewritten, ours)),
      readSealed: () => arrow.ask({ op: 'read', path: ours, encrypted: true }),
      decrypt: () => timed(() => once('decrypt', ours, back)),
      readBack: () => arrow.ask({ op: 'read', path: back, encrypted: false }),
    },
    2,
  );
  arrow.close();
  const seconds = (...parts) => parts.reduce((sum, part) => sum + part.cpu, 0);
  const print = (name, ...parts) =>
    row(name, seconds(...parts).toFixed(2), gb(bytes, seconds(...parts)));
  const size = `${(bytes / 1e6).toFixed(0)} MB`;
  say(`\n3. beside pyarrow ${PYARROW}, ${size} of lineitem as pyarrow writes it;`);
  say('   AES_GCM_V1, 256 bits. pyarrow encrypts while it encodes values and decrypts while it');
  say('   decodes them; we encrypt and decrypt files that are there. Processor seconds.');
  row('', 's', 'GB/s');
  print('pyarrow: read plain, write encrypted', t.read, t.writeSealed);
  print('pyarrow: read plain, write plain', t.read, t.write);
  print('ours: encrypt the plain file', t.encrypt);
  print('pyarrow: read our encrypted file', t.readSealed);
  print('ours: decrypt; pyarrow: read plain', t.decrypt, t.readBack);
  print('ours: decrypt alone', t.decrypt);
  const [w, r] = [
    seconds(t.writeSealed) - seconds(t.write),
    seconds(t.readSealed) - seconds(t.read),
  ];
  row("pyarrow's own encryption alone (difference)", w.toFixed(2), w > 0 ? gb(bytes, w) : '-');
  row("pyarrow's own decryption alone (difference)", r.toFixed(2), r > 0 ? gb(bytes, r) : '-');
}

/** Keeps V8's young generation, which grows in a longer run, from hiding what is live. */
const SMALL_YOUNG = '--max-semi-space-size=4';

function residentMax(flags, ...args) {
  const argv = [...flags, ONCE, ...args.map(String)];
  const run = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`once.mjs ${args.join(' ')}: ${run.stderr}`);
  return JSON.parse(run.stdout).resident;
}

async function memory(folder, lineitem) {
  say('\n4. largest resident set, MB, a process each');
  row('lineitem', 'SF1', 'SF10', 'ratio');
  const [sealed, back] = [join(folder, 'sealed'), join(folder, 'back')];
  const files = [await lineitem(1), await lineitem(10)];
  for (const { name, threads, flags } of [
    { name: 'one thread', threads: 0, flags: [] },
    { name: `one, ${SMALL_YOUNG}`, threads: 0, flags: [SMALL_YOUNG] },
    { name: POOL, threads: CORES, flags: [] },
  ]) {
    const found = { encrypt: [], decrypt: [] };
    for (const file of files) {
      found.encrypt.push(residentMax(flags, 'encrypt', file, sealed, threads));
      found.decrypt.push(residentMax(flags, 'decrypt', sealed, back, threads));
    }
    for (const [what, [one, ten]] of Object.entries(found)) {
      row(`${what}, ${name}`, one.toFixed(0), ten.toFixed(0), (ten / one).toFixed(2));
    }
  }
}

/** Where there is no Python: rows like those of lineitem, by DuckDB. */
async function likeLineitem(folder, scale) {
  const path = join(folder, `like-lineitem-${scale}.parquet`);
  const numbers = Array.from({ length: 9 }, (_, i) => `(hash(i + ${i}) % 200000)::INT AS n${i}`);
  const texts = Array.from(
    { length: 3 },
    (_, i) => `'text ' || (hash(i) % ${7 ** (i + 1)}) AS t${i}`,
  );
  const select = [...numbers, ...texts, 'md5(i::VARCHAR) AS comment'].join(', ');
  await duck(
    `COPY (SELECT ${select} FROM range(${6e6 * scale}) r(i)) TO '${path}' (FORMAT parquet)`,
  );
  return path;
}

/** pyarrow and tpchgen-cli, or the reason why not. */
function python() {
  try {
    return { path: pythonWith({ pyarrow: PYARROW, 'tpchgen-cli': TPCHGEN }) };
  } catch (error) {
    return { reason: error.message };
  }
}

const folder = await mkdtemp(join(tmpdir(), 'cloister-parquet-'));
try {
  await largeModules(folder);
  const { path, reason } = python();
  if (reason !== undefined) {
    say(`\nNO PYTHON, so no TPC-H and no pyarrow; rows like lineitem's by DuckDB. ${reason}`);
  }
  const made = new Map();
  const lineitem = async (scale) => {
    if (path !== undefined) return tpchTable('lineitem', scale)[0];
    if (!made.has(scale)) made.set(scale, await likeLineitem(folder, scale));
    return made.get(scale);
  };
  await lineitemRates(folder, await lineitem(1));
  if (path !== undefined) await besidePyarrow(folder, await lineitem(1), path);
  await memory(folder, lineitem);
} finally {
  await rm(folder, { recursive: true, force: true });
}
