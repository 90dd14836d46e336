// SPDX-License-Identifier: Apache-2.0
// Tasks: a member asks for columns of registered versions, names worker, operators and recipients,
// and accepts a price for each input that is no lower than its dataset's. spec/events.md, "task".
import { toHex } from '@cloister/core';
import type { Environment } from '../charter/body.ts';
import type { EventBody } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import type { Price } from '../shapes.ts';
import { restsAt, schedule } from './due.ts';
import { judgeInputAsked } from './inputs-asked.ts';
import { takeLoad } from './load.ts';
import { charterOf, indexOf, isMember, memberByIdentity } from './lookup.ts';
import { judgeReserved } from './reserved.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** How long a task may be open: a year, and a month to look back on it. */
const TASK_MAX_MS = 400 * 86_400_000;

export function foldTask(state: FoldState, event: AdmittedEvent<'task'>): Verdict {
  const { body } = event;
  const proposer = memberByIdentity(state, event.signer);
  if (proposer === undefined) return voided('not-a-member');
  const later = judgeReserved({ 'task.budget': body.budget !== 0 });
  if (later !== undefined) return later;
  if (state.clock === 0) return voided('clock-not-set');
  if (body.until <= state.clock || body.until > state.clock + TASK_MAX_MS) {
    return voided('task-window', `ends at ${body.until}, the clock is ${state.clock}`);
  }
  if (body.prices.length !== body.inputs.length) {
    const got = `got ${body.prices.length} prices for ${body.inputs.length} inputs`;
    return voided('task-price-count', got);
  }
  for (const [i, input] of body.inputs.entries()) {
    const wrong = judgeInputAsked(state, input, body.prices[i] as Price);
    if (wrong !== undefined) return wrong;
  }
  const wrong = judgeNames(state, body) ?? takeLoad(state, proposer.id, event.size);
  if (wrong !== undefined) return wrong;
  schedule(state, { at: restsAt(state, body.until), what: 'task', key: event.key });
  state.tasks.set(event.key, {
    proposer: proposer.id,
    body,
    seq: state.seq,
    at: state.clock,
    size: event.size,
    approvals: new Map(),
    grants: new Map(),
    following: body.inputs.map(() => null),
    said: new Map(),
    declines: new Map(),
    runs: [],
    open: new Set(),
  });
  return undefined;
}

function judgeNames(state: FoldState, body: EventBody<'task'>): Verdict {
  const recipient = body.outputs.flatMap((o) => o.recipients).find((id) => !isMember(state, id));
  if (recipient !== undefined) return voided('task-recipient-unknown', recipient);
  const { operators } = indexOf(state);
  const operator = body.worker.operators.find((id) => !operators.has(id));
  if (operator !== undefined) return voided('task-operator-unknown', operator);
  return judgeEnvironments(charterOf(state).environments, body);
}

/** Whether the charter has the workers named, and one of their environments the engine. */
function judgeEnvironments(
  environments: readonly Environment[],
  { engine, worker }: EventBody<'task'>,
): Verdict {
  const workers = environments.filter(({ role }) => role === 'worker');
  const unknown = worker.environments?.find((id) => !workers.some((e) => e.id === id));
  if (unknown !== undefined) return voided('task-environment-unknown', unknown);
  const wanted = worker.measurements?.map(toHex);
  const known = new Set(workers.flatMap(measured));
  const strange = wanted?.find((one) => !known.has(one));
  if (strange !== undefined) {
    return voided('task-measurement-unknown', `${strange.slice(0, 16)}...`);
  }
  const engines = workers
    .filter(
      (e) => worker.environments?.includes(e.id) ?? measured(e).some((m) => wanted?.includes(m)),
    )
    .flatMap((e) => e.engines);
  if (engines.includes(engine)) return undefined;
  const got = `got ${engine}, wanted one of ${[...new Set(engines)].join(', ')}`;
  return voided('task-engine-unknown', got);
}

function measured({ measurements }: Environment): string[] {
  return measurements.map(({ measurement }) => toHex(measurement));
}
