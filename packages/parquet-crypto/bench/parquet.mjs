// SPDX-License-Identifier: Apache-2.0
// Gigabytes a second of one core through encryption, decryption and the proof that nothing is in
// clear, memory to memory, beside bare AES-256-GCM of the same runtime over pieces of 1 MiB. The
// file is 16 million doubles that do not compress, as DuckDB writes it. Medians; run after a build.
import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  encryptParquet,
  masterKeys,
} from '@cloister/parquet-crypto';
import { DuckDBInstance } from '@duckdb/node-api';

const ROWS = 4_000_000;
const COLUMNS = ['a', 'b', 'c', 'd'];
const PASSES = 5;
const PIECE = 1_048_576;

const folder = await mkdtemp(join(tmpdir(), 'cloister-parquet-'));
const path = join(folder, 'plain.parquet');
const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
const columns = COLUMNS.map((name) => `random() AS ${name}`).join(', ');
const format = 'FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 1000000';
await connection.run(`COPY (SELECT ${columns} FROM range(${ROWS})) TO '${path}' (${format})`);
connection.closeSync();
const plain = new Uint8Array(await readFile(path));
await rm(folder, { recursive: true, force: true });

const keys = new Map(['0', ...COLUMNS].map((id) => [id, new Uint8Array(randomBytes(32))]));
const keyOf = (id) => ({ id, masterKey: keys.get(id) });
const columnKeys = new Map(COLUMNS.map((name) => [name, keyOf(name)]));

/** Median bytes a second of processor time over several passes, after one to warm up. */
async function rate(bytes, work) {
  const rates = [];
  for (let pass = 0; pass <= PASSES; pass++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    if (pass > 0) rates.push(bytes / ((user + system) / 1e6));
  }
  return rates.sort((a, b) => a - b)[Math.floor(PASSES / 2)];
}

async function encrypt() {
  const sink = new BufferSink();
  const source = bufferSource(plain);
  await encryptParquet({ source, sink, footerKey: keyOf('0'), columnKeys });
  return sink.bytes();
}

function bare() {
  for (let at = 0; at < plain.length; at += PIECE) {
    const cipher = createCipheriv('aes-256-gcm', keys.get('0'), randomBytes(12));
    cipher.update(plain.subarray(at, at + PIECE));
    cipher.final();
  }
}

const sealed = await encrypt();
const known = masterKeys(keys);
const decrypt = (names) => {
  const source = bufferSource(sealed);
  return decryptProjection({ source, sink: new BufferSink(), keys: known, columns: names });
};
const figures = {
  'bare AES-256-GCM': await rate(plain.length, bare),
  encrypt: await rate(plain.length, encrypt),
  'decrypt all columns': await rate(sealed.length, () => decrypt(COLUMNS)),
  'decrypt one of four': await rate(sealed.length / 4, () => decrypt(['a'])),
  'prove encrypted': await rate(sealed.length, () => {
    return assertFullyEncrypted(bufferSource(sealed), known);
  }),
};
const base = figures['bare AES-256-GCM'];
process.stdout.write(`${(plain.length / 1e6).toFixed(0)} MB of doubles; goal 1.2 GB/s each way\n`);
for (const [name, value] of Object.entries(figures)) {
  const of = (value / base).toFixed(2);
  process.stdout.write(`  ${name.padEnd(20)} ${(value / 1e9).toFixed(2)} GB/s  ${of} of bare\n`);
}
