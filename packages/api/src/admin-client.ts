// SPDX-License-Identifier: Apache-2.0
// The typed client of a gateway's admin API.
import { z } from 'zod';
import * as admin from './admin.ts';
import * as charter from './admin-charter.ts';
import * as jobs from './admin-dataset-jobs.ts';
import * as life from './admin-datasets.ts';
import type { Inspection } from './admin-inspection.ts';
import * as keepers from './admin-keepers.ts';
import type { Dialect } from './dialect.ts';
import { fromErrorBody } from './errors.ts';
import type { HttpJson } from './http-json.ts';
import { runStatus } from './worker.ts';

const UPLOAD_TIMEOUT_MS = 3_600_000;
const WORK_TIMEOUT_MS = 300_000;
/** A large result is decrypted and converted before its first byte comes. */
const RESULT_TIMEOUT_MS = 3_600_000;
/** How long a poll waits for news while a file is inspected or a dataset is made. */
const POLL_MS = 5_000;

/** Called now and then while a file is sent and inspected. */
export interface UploadWatch {
  /** Bytes sent so far. */
  readonly onSent?: (bytes: number) => void;
  /** Rows read so far. */
  readonly onInspected?: (rows: number) => void;
}

/** What is said of a file that is sent. */
export interface UploadSaid {
  readonly dialect?: Dialect;
  readonly samples?: number;
}

/** One gateway's admin API; `http` carries the bearer token. */
export class AdminClient {
  readonly http: HttpJson;

  constructor(http: HttpJson) {
    this.http = http;
  }

  status() {
    return this.http.json(admin.status, { path: '/admin/v1/status' });
  }

  /**
   * Streams a file and waits until it is inspected; nothing is kept as a dataset until `addDataset`
   * names the upload. `dialect` is what is said of how the file is written, `samples` how many
   * values of each column are to be shown.
   */
  async upload(
    name: string,
    file: Blob,
    { dialect, samples = 0, ...watch }: UploadWatch & UploadSaid = {},
  ): Promise<Inspection> {
    const size = String(file.size);
    const query = new URLSearchParams({ name, size, samples: String(samples) });
    if (dialect !== undefined) query.set('dialect', JSON.stringify(dialect));
    const { upload } = await this.http.json(jobs.uploadStatus, {
      method: 'POST',
      path: `/admin/v1/uploads?${query}`,
      headers: { 'content-type': admin.UPLOAD_TYPE },
      timeoutMs: UPLOAD_TIMEOUT_MS,
      file,
      ...(watch.onSent === undefined ? {} : { onSent: watch.onSent }),
    });
    for (;;) {
      const path = `/admin/v1/uploads/${upload}?wait=${POLL_MS}`;
      const status = await this.http.json(jobs.uploadStatus, { path });
      if (status.inspection !== null) return status.inspection;
      watch.onInspected?.(status.rows);
    }
  }

  /** Forgets an upload that no dataset was made of. */
  discardUpload(upload: string) {
    return this.#post(`/uploads/${upload}/discard`, {}, z.object({}));
  }

  /** Whether a dataset could be made of uploads: what it would be refused with. */
  checkDataset(request: life.DatasetCheckRequest) {
    return this.#post('/datasets/check', request, life.datasetCheck);
  }

  /** Asks for a dataset to be made of uploads; the same request again answers the same work. */
  startDataset(request: admin.DatasetRequest) {
    return this.#post('/datasets', request, jobs.datasetJob);
  }

  /** Asks for the next version of a dataset of ours to be made of uploads; as `startDataset`. */
  startReplacing(request: life.ReplaceRequest) {
    return this.#post('/datasets/replace', request, jobs.datasetJob);
  }

  /** Waits up to `waitMs` for the work's state to differ from `known`. */
  datasetJob(job: string, options: { known?: string; waitMs?: number } = {}) {
    const query = `?known=${options.known ?? ''}&wait=${options.waitMs ?? 0}`;
    const timeoutMs = (options.waitMs ?? 0) + 15_000;
    const path = `/admin/v1/datasets/jobs/${job}${query}`;
    return this.http.json(jobs.datasetJob, { path, timeoutMs });
  }

  /** Work on datasets that is under way or has failed, oldest first. */
  datasetJobs() {
    return this.http.json(z.array(jobs.datasetJob), { path: '/admin/v1/datasets/jobs' });
  }

  /**
   * Waits for the end of such work. `onNews` hears every state, and now and then how far it is.
   * @throws CodedError what the work failed with
   */
  async followDataset(
    job: string,
    onNews: (status: jobs.DatasetJob) => void = () => undefined,
  ): Promise<NonNullable<jobs.DatasetJob['added']>> {
    let status = await this.datasetJob(job);
    for (;;) {
      if (status.added !== null) return status.added;
      if (status.error !== null) throw fromErrorBody({ error: status.error });
      onNews(status);
      status = await this.datasetJob(job, { known: status.state, waitMs: POLL_MS });
    }
  }

  /** Starts the work and waits for its end. */
  async addDataset(request: admin.DatasetRequest) {
    return this.followDataset((await this.startDataset(request)).job);
  }

  /** The same of the next version of a dataset of ours. */
  async replaceDataset(request: life.ReplaceRequest) {
    return this.followDataset((await this.startReplacing(request)).job);
  }

  /** Ends a version of a dataset of ours, or the dataset, for good. */
  withdrawDataset(request: z.input<typeof admin.withdrawRequest>) {
    return this.#post('/datasets/withdraw', request, admin.recorded);
  }

  /** Sets another policy for a dataset of ours, or says what that would do. */
  setPolicy(request: z.input<typeof life.policyRequest>) {
    return this.#post('/datasets/policy', request, life.policyAnswer);
  }

  /** Removes from the gateway's disk what nobody needs any more, or says what that would be. */
  removeUnneeded(request: z.input<typeof life.removeRequest> = {}) {
    return this.#post('/datasets/remove', request, life.removalAnswer);
  }

  /** A dataset's policy as a document. */
  policy(dataset: string, version: number) {
    const path = `/admin/v1/datasets/${dataset}/policy?version=${version}`;
    return this.http.json(life.policyShown, { path });
  }

  datasets() {
    return this.http.json(z.array(admin.datasetJson), { path: '/admin/v1/datasets' });
  }

  resealDatasets() {
    return this.#post('/datasets/reseal', {}, z.array(admin.recorded));
  }

  checkTask(request: admin.TaskRequest) {
    return this.#post('/tasks/check', request, admin.checkAnswer);
  }

  proposeTask(request: admin.TaskRequest) {
    return this.#post('/tasks', request, admin.proposeAnswer);
  }

  tasks() {
    return this.http.json(z.array(admin.taskJson), { path: '/admin/v1/tasks' });
  }

  task(id: string) {
    return this.http.json(admin.taskJson, { path: `/admin/v1/tasks/${id}` });
  }

  approve(id: string, request: z.input<typeof admin.approveRequest>) {
    return this.#post(`/tasks/${id}/approve`, request, admin.approveAnswer);
  }

  decline(id: string, code: string) {
    return this.#post(`/tasks/${id}/decline`, { code }, admin.recorded);
  }

  /** Asks the worker at that address to run an approved task, over the newest of these tables. */
  startRun(id: string, worker: string, newest: readonly string[] = []) {
    return this.#post(`/tasks/${id}/run`, { worker, newest }, runStatus);
  }

  /** Waits up to `waitMs` for the run's state to differ from `known`. */
  runStatus(run: string, options: { known?: string; waitMs?: number } = {}) {
    const query = `?known=${options.known ?? ''}&wait=${options.waitMs ?? 0}`;
    const timeoutMs = (options.waitMs ?? 0) + 15_000;
    return this.http.json(runStatus, { path: `/admin/v1/runs/${run}${query}`, timeoutMs });
  }

  /** The statements of a run's code of whose results this member may open columns, from 1. */
  result(run: string) {
    return this.http.json(admin.resultAnswer, { path: `/admin/v1/results/${run}` });
  }

  /**
   * The columns of one statement's result that this member may open, as one file that is handed
   * over as it comes; answers its length.
   */
  openResult(
    of: { run: string; format: admin.ResultFormat; statement?: number | undefined },
    take: (piece: Uint8Array) => Promise<void>,
  ): Promise<number> {
    const path = `/admin/v1/results/${of.run}/open?${resultQuery(of.format, of.statement)}`;
    return this.http.stream({ path, method: 'POST', timeoutMs: RESULT_TIMEOUT_MS }, take);
  }

  /** The same in memory, for a result that is known to be small. */
  async smallResult(run: string, format: admin.ResultFormat, statement?: number) {
    const path = `/admin/v1/results/${run}/open?${resultQuery(format, statement)}`;
    return (await this.http.bytes({ path, method: 'POST', timeoutMs: WORK_TIMEOUT_MS })).bytes;
  }

  /** What such a file has, and how it is written. */
  resultSchema(run: string, format: admin.ResultFormat, statement?: number) {
    const path = `/admin/v1/results/${run}/schema?${resultQuery(format, statement)}`;
    const options = { path, method: 'POST', timeoutMs: RESULT_TIMEOUT_MS } as const;
    return this.http.json(admin.resultSchema, options);
  }

  bill(task?: string) {
    return this.http.json(admin.billAnswer, {
      path: `/admin/v1/bill${task === undefined ? '' : `?task=${task}`}`,
    });
  }

  events(from: number, limit = 200) {
    return this.http.json(admin.eventsAnswer, {
      path: `/admin/v1/events?from=${from}&limit=${limit}`,
    });
  }

  verifyLedger() {
    return this.#post('/ledger/verify', {}, admin.verifyAnswer);
  }

  /** Says that the ledger ends; it does once as many members as sign heads say the same. */
  closeLedger(request: z.input<typeof admin.closeRequest>) {
    return this.#post('/ledger/close', request, admin.recorded);
  }

  keepers() {
    return this.http.json(keepers.keepersAnswer, {
      path: '/admin/v1/keepers',
      timeoutMs: WORK_TIMEOUT_MS,
    });
  }

  /** Proposes an epoch; with `from`, the active epoch, its key is dealt again. */
  formEpoch(joins: readonly string[] = [], from: string | null = null) {
    return this.#post('/epochs', { joins, from }, admin.recorded);
  }

  /** The charter in force, those before it, and the amendments that wait. */
  charter() {
    return this.http.json(charter.charterAnswer, { path: '/admin/v1/charter' });
  }

  /** Proposes the next charter, or says what it would do. */
  amend(request: z.input<typeof charter.amendRequest>) {
    return this.#post('/charter/amend', request, charter.amendAnswer);
  }

  /** Signs an amendment, or puts a signature on the ledger that was made elsewhere. */
  signAmendment(request: z.input<typeof charter.charterSignRequest>) {
    return this.#post('/charter/sign', request, charter.signAnswer);
  }

  /** An amendment for a member who signs without a gateway. */
  amendmentFile(id: string) {
    return this.http.json(charter.amendmentFile, {
      path: `/admin/v1/charter/amendments/${id}`,
    });
  }

  /** What a rotation would do; nothing is appended. */
  planRotation(request: z.input<typeof keepers.rotationRequest>) {
    return this.#post('/epochs/plan', request, keepers.rotationPlan);
  }

  /** What members want and has not begun to form. */
  proposals() {
    return this.http.json(z.array(keepers.openProposal), { path: '/admin/v1/epochs' });
  }

  /** Wants an epoch that another member has proposed. */
  consent(id: string) {
    return this.#post(`/epochs/${id}/consent`, {}, admin.recorded);
  }

  /** One attempt at an epoch, and whom it waits for. */
  attempt(id: string) {
    return this.http.json(keepers.attemptJson, { path: `/admin/v1/epochs/${id}` });
  }

  /** Who still has to seal what to the active group key. */
  resealing() {
    return this.http.json(keepers.resealingAnswer, {
      path: '/admin/v1/resealing',
      timeoutMs: WORK_TIMEOUT_MS,
    });
  }

  /** Publishes the parts in a file: of parts, a bundle, or what a maker serves. */
  addCollateral(bytes: Uint8Array) {
    return this.http.json(admin.collateralAdded, { path: '/admin/v1/collateral', bytes });
  }

  #post<T extends z.ZodType>(path: string, json: unknown, schema: T): Promise<z.infer<T>> {
    return this.http.json(schema, { path: `/admin/v1${path}`, json, timeoutMs: WORK_TIMEOUT_MS });
  }
}

function resultQuery(format: admin.ResultFormat, statement: number | undefined): string {
  return `format=${format}${statement === undefined ? '' : `&statement=${statement}`}`;
}
