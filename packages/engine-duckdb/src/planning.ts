// SPDX-License-Identifier: Apache-2.0
// A thread for planning: whatever somebody's code makes of it, the thread that serves people and
// peers goes on, and can end it.
import { Worker } from 'node:worker_threads';
import { toldError } from '@cloister/core';
import { TREE_DEPTH_MAX, tooComplex } from './bounds.ts';
import { type AskChild, planTimeout } from './planner.ts';
import type { FromThread, PlanningJob, ToThread } from './planning-thread.ts';

/** A thread loads no source: the built file serves tests too. */
const ENTRY = new URL('../dist/planning-thread.js', import.meta.url);
/** Trees, terms and texts of the largest code that is planned take less. */
const MEMORY_MB = 512;

export class PlanningThread {
  readonly #worker = new Worker(ENTRY, {
    name: 'planning',
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  #hear: ((message: FromThread) => void) | undefined;
  #lose: ((error: unknown) => void) | undefined;
  #isLost = false;
  /** Once it can do jobs, or is lost. */
  readonly ready: Promise<void>;

  constructor() {
    this.ready = new Promise((resolve) => {
      this.#hear = () => resolve();
      this.#lose = () => resolve();
    });
    this.#worker.on('message', (message: FromThread) => this.#hear?.(message));
    // More memory than it may have ends a thread like this, too.
    this.#worker.on('error', () => this.#end());
    this.#worker.on('exit', () => this.#end());
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Does one job, and no other beside it.
   * @throws CodedError the planner's; `engine-plan-timeout` where the thread was ended
   */
  async run(job: PlanningJob, ask: AskChild): Promise<unknown> {
    if (this.#isLost) throw planTimeout();
    this.#worker.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#lose = reject;
        this.#hear = (message) => {
          if ('ask' in message) {
            ask(message.ask).then((answer) => this.#post({ answer }), reject);
          } else if ('done' in message) resolve(message.done);
          else if ('coded' in message) reject(toldError(message.coded, message.coded));
          else if ('fault' in message) reject(fault(message.fault));
        };
        this.#post({ job });
      });
    } finally {
      this.#hear = this.#lose = undefined;
      this.#worker.unref();
    }
  }

  /** Ends it, whatever it does. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #end(): void {
    this.#isLost = true;
    this.#lose?.(planTimeout());
  }
}

/** Code that lies deeper in itself than a stack is high. */
function fault(error: unknown): unknown {
  const isDeep = error instanceof RangeError;
  return isDeep ? tooComplex('levels of a statement', TREE_DEPTH_MAX, TREE_DEPTH_MAX) : error;
}
