// SPDX-License-Identifier: Apache-2.0
// The worker: takes run requests from proposers, one run at a time, and remembers where each
// stands. The process lives on between runs; everything that a run touches is its own (run.ts).

import type { RunStatus } from '@cloister/api';
import { errorFields, tidyCode } from '@cloister/attested';
import { memberById, readRunTicket, voidError } from '@cloister/contract';
import { ofKind } from '@cloister/contract/policy';
import { type CodedError, type ErrorKind, equal, isCoded, toHex } from '@cloister/core';
import { leastCage, requireCage } from './cage.ts';
import { workerError } from './errors.ts';
import type { AskedRun } from './identity.ts';
import { workerMetrics } from './metrics.ts';
import type { WorkerPorts } from './ports.ts';
import { execute } from './run.ts';

const REMEMBERED_RUNS = 1_000;

interface Entry {
  status: RunStatus;
  since: number;
  readonly waiting: Set<() => void>;
}

export class Worker {
  readonly ports: WorkerPorts;
  readonly metrics = workerMetrics();
  readonly #runs = new Map<string, Entry>();
  #current: Promise<void> | undefined;

  constructor(ports: WorkerPorts) {
    this.ports = ports;
  }

  get busy(): boolean {
    return this.#current !== undefined;
  }

  /**
   * Begins the run that the ticket asks for, by the caller, who must be the task's proposer; asked
   * again, it answers the same.
   * @throws CodedError `task-unknown`, `not-the-proposer`, `ticket-not-for-us`, `engine-other`,
   * `worker-cage-weak`, `worker-busy`
   */
  async start(asked: AskedRun, caller: Uint8Array): Promise<string> {
    const { follower } = this.ports;
    const { task, run } = asked;
    const key = toHex(task);
    if (!follower.state.tasks.has(key)) await follower.step();
    const found = follower.state.tasks.get(key);
    if (found === undefined) {
      const message = 'no cosigned checkpoint has this task: has it been proposed?';
      throw voidError('task-unknown', message);
    }
    const member = memberById(follower.charter, found.proposer);
    if (member === undefined || !equal(member.identity, caller)) {
      const message = 'only the proposer of a task on the ledger can have it run';
      throw workerError('not-the-proposer', message);
    }
    await this.#checkTicket(asked, caller);
    const runner = ofKind('runner', this.ports.runners, found.body.engine);
    await requireCage(runner, leastCage(this.ports));
    if (this.#runs.has(toHex(run))) return toHex(run);
    if (this.#current !== undefined) {
      const message = 'this worker is running another task: wait for it, or ask another worker';
      throw workerError('worker-busy', message);
    }
    const id = toHex(run);
    const status: RunStatus = { run: id, task: key, state: 'starting', phases: {} };
    const entry = { status, since: this.ports.timers.elapsed(), waiting: new Set<() => void>() };
    this.#remember(id, entry);
    this.#current = this.#execute(entry, asked).finally(() => {
      this.#current = undefined;
    });
    return id;
  }

  /** The ledger judges the ticket; here a wrong one is said before evidence is made for it. */
  async #checkTicket(asked: AskedRun, proposer: Uint8Array): Promise<void> {
    const { config, genesis, crypto } = this.ports;
    const ticket = await readRunTicket(asked.ticket, { genesis, crypto });
    const same = equal(ticket.task, asked.task) && equal(ticket.run, asked.run);
    if (same && equal(ticket.signer, proposer) && ticket.operator === config.operator) return;
    const wanted = `${config.operator}, this task and this run, by its proposer`;
    const message = `the ticket is for ${ticket.operator}, or other than for ${wanted}`;
    throw workerError('ticket-not-for-us', message);
  }

  /** Where a run stands; waits up to `waitMs` while its state is `known`. */
  async status(run: string, known = '', waitMs = 0): Promise<RunStatus> {
    const entry = this.#runs.get(run);
    if (entry === undefined) {
      throw voidError('run-unknown', 'no such run here since this worker started');
    }
    if (entry.status.state === known && waitMs > 0) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          cancel();
          entry.waiting.delete(wake);
          resolve();
        };
        const cancel = this.ports.timers.after(waitMs, wake);
        entry.waiting.add(wake);
      });
    }
    return entry.status;
  }

  /** Waits for the run under way, up to `waitMs`. */
  async idle(waitMs: number): Promise<void> {
    const timer = new Promise<void>((resolve) => setTimeout(resolve, waitMs).unref());
    await Promise.race([this.#current, timer]);
  }

  async #execute(entry: Entry, about: AskedRun): Promise<void> {
    const { log } = this.ports;
    try {
      await execute(this.ports, about, (state) => this.#enter(entry, { state }));
      this.metrics.count('cloister_worker_runs_total', { outcome: 'released' });
      log.info('released', { run: entry.status.run, ...entry.status.phases });
    } catch (error) {
      const { code, kind, message } = describe(error);
      const { run } = entry.status;
      if (isCoded(error)) log.warn('failed', { run, code });
      else log.warn('failed', { run, ...errorFields(error) });
      this.metrics.count('cloister_worker_runs_total', { outcome: code });
      this.#enter(entry, { state: 'failed', code, kind, sentence: message });
    }
  }

  #enter(entry: Entry, change: Pick<RunStatus, 'state' | 'code' | 'kind' | 'sentence'>): void {
    const now = this.ports.timers.elapsed();
    const { state: phase, phases: before } = entry.status;
    const seconds = (now - entry.since) / 1_000;
    this.metrics.observe('cloister_worker_phase_seconds', { phase }, seconds);
    const spent = (before[phase] ?? 0) + (now - entry.since);
    const phases = { ...before, [phase]: Math.round(spent * 10) / 10 };
    entry.status = { ...entry.status, ...change, phases };
    entry.since = now;
    for (const wake of [...entry.waiting]) wake();
  }

  #remember(id: string, entry: Entry): void {
    this.#runs.set(id, entry);
    const oldest = this.#runs.keys().next().value;
    if (this.#runs.size > REMEMBERED_RUNS && oldest !== undefined) this.#runs.delete(oldest);
  }
}

/** What the proposer hears: a void join's own code and a keeper's refusal come first. */
function describe(error: unknown): { code: string; kind: ErrorKind; message: string } {
  if (!isCoded(error)) {
    const message = 'the run failed inside the worker';
    return { code: 'run-failed', kind: 'verification', message };
  }
  const { code, refusal } = (error as CodedError).details;
  const said = [code, refusal].find((c) => typeof c === 'string' && c !== 'none');
  return { code: tidyCode(said, error.code), kind: error.kind, message: error.message };
}
