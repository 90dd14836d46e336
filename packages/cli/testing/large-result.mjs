// SPDX-License-Identifier: Apache-2.0
// For tests only: a result of many parts goes through a worker's sealer, its delivery and a
// recipient's gateway, in one process, whose memory is what is asked about. Takes a folder, a file
// of plain Parquet with the columns `n` (BIGINT) and `t` (VARCHAR), and of how many parts the
// result is; prints what came out and the most memory that was held.
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { systemRandom, systemTimers, toHex } from '@cloister/core';
import { FileBlobs, nodeCrypto } from '@cloister/core/node';
import { hpkeKeyPairFrom } from '@cloister/threshold/node';

const built = (path) => import(new URL(`../../${path}`, import.meta.url));
const { resultSealer } = await built('worker/dist/result.js');
const { deliver } = await built('worker/dist/deliver.js');
const { openResult } = await built('gateway/dist/tasks/results.js');
const { convertResult } = await built('gateway/dist/adapters.js');

const [folder, file, count] = process.argv.slice(2);
const [genesis, task, run] = [32, 32, 16].map((length) => systemRandom.bytes(length));
const hpke = hpkeKeyPairFrom(systemRandom.bytes(32));
const [spool, home] = ['spool', 'home'].map((name) => join(folder, name));
await Promise.all([spool, home].map((path) => mkdir(path)));
const before = process.resourceUsage().maxRSS;

const outputs = [
  { id: 1, statement: 0, name: 'n', type: 'BIGINT' },
  { id: 2, statement: 0, name: 't', type: 'VARCHAR' },
];
const sealer = resultSealer({
  ...{ spool, genesis, task, run, crypto: nodeCrypto, random: systemRandom },
  outputs: outputs.map(({ id }) => ({ id, recipients: ['bank'] })),
  parameters: { tables: ['t'], params: {}, outputs },
  charter: {
    ...{ operators: [], environments: [] },
    members: [{ id: 'bank', identity: genesis, witness: task, hpke: hpke.publicKey }],
  },
});
for (let part = 0; part < Number(count); part += 1) {
  await sealer.take({ statement: 0, file, rows: 0 });
}
const sealed = await sealer.finish();
sealer.close();

const blobs = new FileBlobs(join(home, 'blobs'));
const [gateway, witnesses] = [{}, { faulty: 0 }];
await deliver(
  { timers: systemTimers, config: { patienceMs: 1_000 }, follower: { charter: { witnesses } } },
  { gateways: [gateway], blobsOf: [blobs] },
  { of: async () => [gateway] },
  { member: 'bank', sealed },
);

const usage = { body: { result: sealed.result }, event: 'recorded' };
const recorded = { status: 'released', task: toHex(task), usage };
const state = { charter: {}, tasks: new Map(), runs: new Map([[toHex(run), recorded]]) };
const opened = await openResult(
  {
    ...{ home, genesis, card: { id: 'bank' }, keys: { hpke }, random: systemRandom },
    appraisals: { settled: async () => ({ status: 'yes', at: 0 }) },
    allBlobs: blobs,
    follower: { state, archive: { over: () => state } },
  },
  toHex(run),
  { format: 'parquet', convert: convertResult },
);
await pipeline(opened.bytes, createWriteStream(join(folder, 'whole.parquet')));
const { maxRSS } = process.resourceUsage();
const said = {
  parts: sealed.blobs.length - 2,
  rows: opened.schema.rows,
  sealedBytes: sealed.blobs.reduce((sum, { length }) => sum + length, 0),
  heldBytes: (maxRSS - before) * 1024,
};
process.stdout.write(`${JSON.stringify(said)}\n`);
