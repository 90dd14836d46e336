// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that is about the organisation's own data: uploads, the work that makes
// datasets of them, and what there is.
//
// Invariant: a plain file that was uploaded is gone when the work that uses it ends, whatever
// became of it; one that no work uses is swept after a day.
import {
  datasetCheckRequest,
  datasetRequest,
  parseDialect,
  policyRequest,
  removeRequest,
  replaceRequest,
  SAMPLES_MAX,
  withdrawRequest,
} from '@cloister/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Gateway } from '../context.ts';
import { checkDataset } from '../datasets/check.ts';
import { listDatasets, withdrawDataset } from '../datasets/datasets.ts';
import type { DatasetJobs } from '../datasets/jobs.ts';
import { removeUnneeded } from '../datasets/removal.ts';
import { resealDatasets } from '../datasets/seal.ts';
import { parseJson } from '../datasets/upload-dialect.ts';
import { MAX_UPLOAD_BYTES, type Uploads } from '../datasets/uploads.ts';
import { recordedAnswer } from '../ledger/recorded.ts';
import { setPolicy, showPolicy } from '../tasks/policies.ts';
import { parseBody, parseQuery, pollQuery } from './parse.ts';

const uploadQuery = z.object({
  name: z.string().min(1).max(255),
  dialect: z.string().max(4_000).default('{}'),
  samples: z.coerce.number().int().min(0).max(SAMPLES_MAX).default(0),
  size: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
});

const versionQuery = z.object({ version: z.coerce.number().int().min(1) });

export interface DatasetRoutesOptions {
  readonly uploads: Uploads;
  readonly jobs: DatasetJobs;
}

/** Adds /admin/v1/uploads and /admin/v1/datasets to `app`. */
export function datasetRoutes(
  app: FastifyInstance,
  gateway: Gateway,
  { uploads, jobs }: DatasetRoutesOptions,
): void {
  app.post('/admin/v1/uploads', { bodyLimit: MAX_UPLOAD_BYTES }, (request) => {
    const { name, dialect: said, samples, size } = parseQuery(uploadQuery, request);
    const dialect = parseDialect(parseJson(said), 'dialect');
    return uploads.receive(name, request.raw, { dialect, samples, size });
  });

  app.get('/admin/v1/uploads/:upload', (request) =>
    uploads.status(uploadOf(request), pollQuery(request).waitMs),
  );

  app.post('/admin/v1/uploads/:upload/discard', async (request) => {
    const upload = uploadOf(request);
    jobs.refuseUsed(upload);
    await uploads.remove([upload]);
    return {};
  });

  app.post('/admin/v1/datasets/check', async (request) => {
    const asked = parseBody(datasetCheckRequest, request);
    const inspections = await uploads.inspected(asked.uploads);
    return checkDataset(gateway, { ...asked, inspections }, (name) => jobs.refuseUsedName(name));
  });

  app.post('/admin/v1/datasets', (request) => jobs.start(parseBody(datasetRequest, request)));

  app.post('/admin/v1/datasets/replace', (request) =>
    jobs.start(parseBody(replaceRequest, request)),
  );

  app.get('/admin/v1/datasets/jobs', () => jobs.list());

  app.get('/admin/v1/datasets/jobs/:job', (request) => {
    const { job } = request.params as { job: string };
    return jobs.status(job, pollQuery(request));
  });

  app.get('/admin/v1/datasets', () => listDatasets(gateway));

  app.post('/admin/v1/datasets/withdraw', async (request) =>
    recordedAnswer(await withdrawDataset(gateway, parseBody(withdrawRequest, request))),
  );

  app.post('/admin/v1/datasets/remove', (request) => {
    const inUse = (name: string) => jobs.uses(name);
    return removeUnneeded(gateway, { ...parseBody(removeRequest, request), inUse });
  });

  app.post('/admin/v1/datasets/policy', (request) =>
    setPolicy(gateway, parseBody(policyRequest, request)),
  );

  app.get('/admin/v1/datasets/:dataset/policy', (request) => {
    const { dataset } = request.params as { dataset: string };
    const { version } = parseQuery(versionQuery, request);
    return showPolicy(gateway, { dataset, version });
  });

  app.post('/admin/v1/datasets/reseal', async () =>
    (await resealDatasets(gateway)).map(recordedAnswer),
  );
}

function uploadOf(request: FastifyRequest): string {
  return (request.params as { upload: string }).upload;
}
