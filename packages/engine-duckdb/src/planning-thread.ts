// SPDX-License-Identifier: Apache-2.0
// What runs in the thread of a planner: everything of planning but the engine. The engine's process
// is asked through the thread that started this one, which can end both. One job at a time.
import { parentPort } from 'node:worker_threads';
import type {
  BoundGrouping,
  EnginePlan,
  EngineTable,
  PlanRequest,
} from '@cloister/contract/policy';
import { type ErrorDetails, type ErrorKind, isCoded } from '@cloister/core';
import type { Answer } from './child-process.ts';
import { bindGrouping } from './grouping.ts';
import { planningAsk, planWith } from './planner.ts';

/** What is to be planned. */
export type PlanningJob =
  | { readonly op: 'plan'; readonly request: PlanRequest }
  | { readonly op: 'grouping'; readonly table: EngineTable; readonly sql: string };

/** To the thread: a job, or what the engine's process has answered to its last question. */
export type ToThread = { readonly job: PlanningJob } | { readonly answer: Answer | undefined };

/** From the thread: it has been loaded; a question to the engine's process; how the job ended. */
export type FromThread =
  | { readonly ready: true }
  | { readonly ask: Record<string, unknown> }
  | { readonly done: EnginePlan | BoundGrouping }
  | { readonly coded: ToldError }
  | { readonly fault: unknown };

/** A CodedError, taken apart: an error's own fields do not cross threads. */
export interface ToldError {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly details: ErrorDetails;
}

let heard: ((answer: Answer | undefined) => void) | undefined;

const say = (message: FromThread) => parentPort?.postMessage(message);
const ask = planningAsk((request) => {
  return new Promise((resolve) => {
    heard = resolve;
    say({ ask: request });
  });
});

async function plan(job: PlanningJob): Promise<FromThread> {
  try {
    const planned = job.op === 'plan' ? planWith(ask, job.request) : bindGrouping(ask, job);
    return { done: await planned };
  } catch (error) {
    if (!isCoded(error)) return { fault: error };
    const { code, kind, message, details } = error;
    return { coded: { code, kind, message, details } };
  }
}

parentPort?.on('message', async (message: ToThread) => {
  if ('job' in message) say(await plan(message.job));
  else heard?.(message.answer);
});

say({ ready: true });
