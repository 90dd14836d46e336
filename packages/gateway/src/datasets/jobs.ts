// SPDX-License-Identifier: Apache-2.0
// The work that makes datasets of uploads: one at a time, the others wait; whoever asked for it
// follows it by its id, which is also the id of a dataset that is new.
//
// Invariants:
// - What was answered with an id is never forgotten silently: its record is durable before, and a
//   record without an end, met at a start, is of work that died with its process and is said to be
//   interrupted. Only ended work is forgotten, when it is old or when much has ended since.
// - Whether a dataset was added is what the ledger says, whatever else is remembered.
// - An upload becomes one dataset at most: the same request again is the same work.
// - Plain files are gone when the work on them ends, and at the start after it was interrupted.
import type { DatasetJob, datasetRequest, replaceRequest } from '@cloister/api';
import type { DatasetVersion } from '@cloister/contract';
import { type CodedError, fromHex, isCoded, toErrorResponse, toHex, utf8 } from '@cloister/core';
import type { z } from 'zod';
import type { Gateway } from '../context.ts';
import type { GatewayErrorCode } from '../errors.ts';
import { gatewayError } from '../errors.ts';
import { recordedAnswer } from '../ledger/recorded.ts';
import { settledWithin } from '../settled-within.ts';
import { type AddStep, addDataset, listDatasets } from './datasets.ts';
import { type JobRecord, putJob, readJobs, removeJob } from './job-store.ts';
import { replaceable, replaceDataset } from './replacing.ts';
import type { Uploads } from './uploads.ts';

const UNDER_WAY_MAX = 20;
const ENDED_MAX = 100;
const ENDED_AGE_MS = 7 * 24 * 3_600_000;
/** How long a stop waits for the step that is being done. */
const STOP_MS = 5_000;
const CATCH_UP_MS = 5_000;

/** What was asked for, after its schema. */
type New = z.output<typeof datasetRequest>;
type Next = z.output<typeof replaceRequest>;
/** The same, with the name of the dataset and, where it is not new, the version to be made. */
type Request = New | (Next & { readonly name: string; readonly version: number });

interface Job {
  record: JobRecord;
  step: Pick<DatasetJob, 'state' | 'file' | 'progress'>;
  /** Settles at the next change of state, when `wake` is called. */
  news: Promise<void>;
  wake: () => void;
  /** Settles when its record is durable. */
  saved: Promise<void>;
}

export class DatasetJobs {
  readonly #gateway: Gateway;
  readonly #uploads: Uploads;
  readonly #jobs = new Map<string, Job>();
  #work: Promise<void> = Promise.resolve();
  #caughtUp: Promise<void> | undefined;
  #stopped = false;

  private constructor(gateway: Gateway, uploads: Uploads) {
    this.#gateway = gateway;
    this.#uploads = uploads;
  }

  /** Reads what is remembered; work that an earlier life left under way is over. */
  static async open(gateway: Gateway, uploads: Uploads): Promise<DatasetJobs> {
    const { home, log, clock } = gateway;
    const opened = new DatasetJobs(gateway, uploads);
    const { jobs, damaged } = await readJobs(home);
    if (damaged.length > 0) log.warn({ damaged }, 'records of work on datasets are damaged');
    for (const record of jobs.sort((a, b) => a.began - b.began)) {
      const job = jobOf(record);
      opened.#jobs.set(record.job, job);
      if (record.ended !== undefined) continue;
      await uploads.remove(record.uploads);
      const { error } = toErrorResponse(interrupted(record)).body;
      await opened.#end(job, { at: clock.now(), error });
    }
    await uploads.removeLeftovers();
    return opened;
  }

  /**
   * Asks for a dataset to be made, and answers at once; the same request again answers the same
   * work.
   * @throws CodedError `upload-in-use`, `upload-not-found`, `dataset-name-taken`,
   * `gateway-overloaded`
   */
  async start(asked: New | Next): Promise<DatasetJob> {
    const request = await this.#named(asked);
    const digest = toHex(this.#gateway.crypto.digest('sha256', utf8(JSON.stringify(asked))));
    if (this.#sameAs(request, digest) === undefined) await this.#uploads.mustHave(request.uploads);
    // From here to the entry nothing is awaited, so that one of two requests finds the other.
    const job = this.#sameAs(request, digest) ?? this.#enter(request, digest);
    await job.saved;
    return this.#answer(job);
  }

  /** @throws CodedError `dataset-not-found` */
  async #named(asked: New | Next): Promise<Request> {
    if ('name' in asked) return asked;
    const { schema, next } = await replaceable(this.#gateway, asked.dataset);
    return { ...asked, name: schema.name, version: next };
  }

  /**
   * Where some work is; waits up to `waitMs` while its state is `known`.
   * @throws CodedError `dataset-job-not-found`
   */
  async status(id: string, options: { known: string; waitMs: number }): Promise<DatasetJob> {
    const job = this.#jobs.get(id);
    if (job === undefined) {
      const message = 'no such work here: `dataset list` shows the datasets that there are';
      throw gatewayError('dataset-job-not-found', message);
    }
    if (job.step.state === options.known)
      await settledWithin(this.#gateway.timers, job.news, options.waitMs);
    return this.#answer(job);
  }

  /** Work that is under way or has failed, oldest first. */
  async list(): Promise<DatasetJob[]> {
    await this.#forget();
    const all = await Promise.all([...this.#jobs.values()].map((job) => this.#answer(job)));
    return all.filter(({ state }) => state !== 'added');
  }

  /** Whether work that is under way still wants a file of that name among the uploads. */
  uses(name: string): boolean {
    return this.#underWay().some(({ record: { job, uploads } }) =>
      [job, ...uploads].some((id) => name.startsWith(id)),
    );
  }

  /** @throws CodedError `upload-in-use` */
  refuseUsed(upload: string): void {
    const user = this.#underWay().find(({ record }) => record.uploads.includes(upload));
    if (user !== undefined) throw inUse(user.record);
  }

  /** @throws CodedError `dataset-name-taken` where work under way has this name */
  refuseUsedName(name: string): void {
    const other = this.#underWay().find(({ record }) => record.name === name)?.record;
    if (other === undefined) return;
    const message = `a dataset called ${name} is being added (${other.job}): wait for it`;
    throw gatewayError('dataset-name-taken', message);
  }

  /** Begins nothing more, and waits a little for what is being done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const job of this.#jobs.values()) job.wake();
    await settledWithin(this.#gateway.timers, this.#work, STOP_MS);
  }

  #underWay(): Job[] {
    return [...this.#jobs.values()].filter(({ record }) => record.ended === undefined);
  }

  /** @throws CodedError `upload-in-use` when other work has one of the uploads */
  #sameAs(request: Request, digest: string): Job | undefined {
    for (const job of this.#jobs.values()) {
      const { record } = job;
      if (!record.uploads.some((upload) => request.uploads.includes(upload))) continue;
      if (record.request === digest) return job;
      if (record.ended?.error === undefined) throw inUse(record);
    }
    return undefined;
  }

  #enter(request: Request, digest: string): Job {
    if (this.#stopped) throw interrupted(request);
    const underWay = this.#underWay();
    if (underWay.length >= UNDER_WAY_MAX) {
      const message = `${UNDER_WAY_MAX} datasets wait to be added already: ask again later`;
      throw gatewayError('gateway-overloaded', message);
    }
    const { name, uploads } = request;
    this.refuseUsedName(name);
    const { home, random, clock } = this.#gateway;
    const id = toHex(random.bytes(16));
    const { dataset, version } = 'version' in request ? request : {};
    const next = dataset === undefined ? {} : { dataset, version };
    const about = { job: id, ...next, name, uploads, request: digest };
    const job = jobOf({ ...about, began: clock.now() });
    this.#jobs.set(id, job);
    job.saved = putJob(home, job.record).catch((error: unknown) => {
      this.#jobs.delete(id);
      throw error;
    });
    this.#work = this.#work.then(() => this.#run(job, request));
    return job;
  }

  async #run(job: Job, request: Request): Promise<void> {
    const { clock, log } = this.#gateway;
    const saved = await job.saved.then(
      () => true,
      () => false,
    );
    if (!saved || this.#stopped) return;
    const { record } = job;
    let ended: JobRecord['ended'];
    try {
      const paths = await Promise.all(record.uploads.map((one) => this.#uploads.path(one)));
      const tell = (step: AddStep) => this.#hear(job, step);
      const dataset = fromHex(record.job);
      const entry = await ('version' in request
        ? replaceDataset(this.#gateway, { ...request, uploads: paths }, tell)
        : addDataset(this.#gateway, { ...request, dataset, uploads: paths }, tell));
      ended = { at: clock.now(), recorded: recordedAnswer(entry) };
    } catch (error) {
      // The record stays without an end: the next start says that it was interrupted.
      if (this.#stopped) return;
      if (!isCoded(error)) log.error({ err: error, job: record.job }, 'work on a dataset failed');
      ended = { at: clock.now(), error: toErrorResponse(error).body.error };
    } finally {
      await this.#uploads.remove(record.uploads);
    }
    await this.#end(job, ended);
  }

  /** @throws CodedError `dataset-interrupted` once we are stopping: the work ends there */
  #hear(job: Job, step: AddStep): void {
    if (this.#stopped) throw interrupted(job.record);
    const before = job.step.state;
    job.step = step;
    if (before !== step.state) renew(job);
  }

  async #end(job: Job, ended: NonNullable<JobRecord['ended']>): Promise<void> {
    const { home, log } = this.#gateway;
    const record = { ...job.record, ended };
    await putJob(home, record).catch((error: unknown) => {
      log.warn({ err: error, job: record.job }, 'the end of work on a dataset was not kept');
    });
    job.record = record;
    job.step = endOf(record);
    renew(job);
    await this.#forget();
  }

  async #forget(): Promise<void> {
    const { home, clock } = this.#gateway;
    const endedAt = ({ record }: Job) => record.ended?.at ?? 0;
    const ended = [...this.#jobs.values()]
      .filter(({ record }) => record.ended !== undefined)
      .sort((a, b) => endedAt(b) - endedAt(a));
    for (const [i, job] of ended.entries()) {
      if (i < ENDED_MAX && clock.now() - endedAt(job) < ENDED_AGE_MS) continue;
      this.#jobs.delete(job.record.job);
      await removeJob(home, job.record.job);
    }
  }

  async #answer(job: Job): Promise<DatasetJob> {
    const { record } = job;
    const { job: id, name, began, uploads, ended } = record;
    const about = { job: id, name, began, files: uploads.length };
    if (ended === undefined) return { ...about, ...job.step, error: null, added: null };
    if (ended.error?.code === INTERRUPTED) await this.#catchUp();
    const version = this.#onLedger(record);
    if (version === undefined) {
      return { ...about, ...job.step, error: ended.error ?? null, added: null };
    }
    const entry = this.#gateway.follower.record(version.seq);
    const recorded = ended.recorded ?? (entry && recordedAnswer(entry));
    const { body } = version;
    const dataset = (await listDatasets(this.#gateway)).find(
      (one) => one.dataset === toHex(body.dataset) && one.version === body.version,
    );
    const added = dataset && recorded && { dataset, recorded };
    return { ...about, state: 'added', file: 0, progress: null, error: null, added: added ?? null };
  }

  /** The version that this work has made, and no other work of ours since. */
  #onLedger({ job, dataset, version = 1, ended }: JobRecord): DatasetVersion | undefined {
    const { follower, card } = this.#gateway;
    const found = follower.state.datasets.get(dataset ?? job);
    const others = [...this.#jobs.values()].map(({ record }) => record);
    const made = others.some(
      (one) => one.dataset === dataset && one.version === version && one.ended?.recorded,
    );
    if (dataset !== undefined && made && ended?.recorded === undefined) return undefined;
    return found?.owner === card.id ? found.versions.get(version) : undefined;
  }

  /** Once in this life: what work of an earlier one has put on the ledger may not be here yet. */
  #catchUp(): Promise<void> {
    const { ledger, follower } = this.#gateway;
    this.#caughtUp ??= ledger.size().then(
      async (size) => {
        await follower.reached(size, CATCH_UP_MS);
      },
      () => undefined,
    );
    return settledWithin(this.#gateway.timers, this.#caughtUp, CATCH_UP_MS);
  }
}

const INTERRUPTED = 'dataset-interrupted';

function interrupted({ name }: { readonly name: string }): CodedError<GatewayErrorCode> {
  const message =
    `the gateway stopped while it added ${name}, and nothing of that is on the ledger as far as ` +
    'it is known here: add it again';
  return gatewayError(INTERRUPTED, message);
}

function inUse({ job, name }: JobRecord): CodedError<GatewayErrorCode> {
  const message = `the dataset ${name} is made of that upload (${job}): send the file again`;
  return gatewayError('upload-in-use', message);
}

function jobOf(record: JobRecord): Job {
  const job = { record, step: endOf(record), saved: Promise.resolve() } as Job;
  renew(job);
  return job;
}

function endOf({ ended }: JobRecord): Job['step'] {
  const state = ended === undefined ? 'queued' : ended.error === undefined ? 'added' : 'failed';
  return { state, file: 0, progress: null };
}

/** Tells whoever waits, and begins a new wait. */
function renew(job: Job): void {
  job.wake?.();
  job.news = new Promise((resolve) => {
    job.wake = resolve;
  });
}
