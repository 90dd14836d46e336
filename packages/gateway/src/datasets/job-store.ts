// SPDX-License-Identifier: Apache-2.0
// What a gateway remembers of its work on datasets, one small file each (mode 0600). A record is
// durable before the work's id is told to anybody; one without an end, found at a start, is of work
// that died with its process. It holds no key, no value, no policy.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorBody, hex, recorded } from '@cloister/api';
import { utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import { z } from 'zod';
import { homeFolder } from '../home.ts';

const jobRecord = z.strictObject({
  /** Also the id of the dataset, where that is new. */
  job: hex(16),
  /** Of another version of a dataset: which. */
  dataset: hex(16).optional(),
  version: z.number().int().min(2).optional(),
  name: z.string(),
  uploads: z.array(hex(16)),
  /** SHA-256 of the whole request. */
  request: hex(32),
  began: z.number().int(),
  ended: z
    .strictObject({
      at: z.number().int(),
      error: errorBody.shape.error.optional(),
      recorded: recorded.optional(),
    })
    .optional(),
});

export type JobRecord = z.infer<typeof jobRecord>;

export async function putJob(home: string, record: JobRecord): Promise<void> {
  const path = join(await homeFolder(home, 'jobs'), `${record.job}.json`);
  await writeDurably(path, utf8(JSON.stringify(record)), 0o600);
}

export async function removeJob(home: string, job: string): Promise<void> {
  await rm(join(await homeFolder(home, 'jobs'), `${job}.json`), { force: true });
}

/** Every record that can be read, and the names of files that cannot. */
export async function readJobs(home: string): Promise<{ jobs: JobRecord[]; damaged: string[] }> {
  const folder = await homeFolder(home, 'jobs');
  const jobs: JobRecord[] = [];
  const damaged: string[] = [];
  for (const name of (await readdir(folder)).filter((one) => one.endsWith('.json'))) {
    const parsed = jobRecord.safeParse(parseJson(await readFile(join(folder, name), 'utf8')));
    if (parsed.success && name === `${parsed.data.job}.json`) jobs.push(parsed.data);
    else damaged.push(name);
  }
  return { jobs, damaged };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
