// SPDX-License-Identifier: Apache-2.0
// "Plan again and compare": a task's opened code is planned anew, with its parameters, by whoever
// must not believe its proposer: each owner's gateway before anybody approves, and the worker
// before it asks for a key. What the plan uses and puts out must be what the task says. Uses are
// what policies are judged by; a worker encrypts each output by the name that the task gives its
// id, so a wrong name would hand one output's column to another's recipients.
// spec/policy.md, "Uses"; spec/events.md, "task".
import { equal } from '@cloister/core';
import { contractError } from '../errors.ts';
import { encodeUses, judge, refusedBy, type Suppression } from '../policy/index.ts';
import { type ByKind, ofKind } from '../ports/by-kind.ts';
import type { EnginePlan, Planner, PlanRequest } from '../ports/planner.ts';
import type { TaskContents } from './task.ts';

type Planners = ByKind<Pick<Planner, 'plan'>>;

/** The opened code as a planner is asked to plan it: its parameters, over the opened schemas. */
function requestOf({ code, parameters, schemas }: TaskContents): PlanRequest & { code: string } {
  const tables = parameters.tables.map((name, at) => ({
    name,
    columns: schemas[at]?.columns ?? [],
  }));
  return { code, params: parameters.params, tables };
}

/** @throws CodedError `engine-other`, `uses-differ`, `outputs-differ`, and the planner's */
async function planSame(planners: Planners, contents: TaskContents): Promise<EnginePlan> {
  const plan = await ofKind('planner', planners, contents.engine).plan(requestOf(contents));
  if (!equal(encodeUses(plan.uses), encodeUses(contents.uses))) {
    throw contractError('uses-differ', 'the code does not use the columns as its task says');
  }
  const said = contents.parameters.outputs;
  const same =
    plan.outputs.length === said.length &&
    plan.outputs.every(({ id, statement, name, type }, at) => {
      const other = said[at];
      const place = other?.id === id && other.statement === statement;
      return place && other.name === name && other.type === type;
    });
  if (same) return plan;
  const message = "the code's outputs are not those of the task's parameters";
  throw contractError('outputs-differ', message);
}

/**
 * The plan that a run may run: what the task says, allowed by every policy, with the suppressions
 * that the policies ask for.
 * @throws CodedError `engine-other`, `uses-differ`, `outputs-differ`, a finding's code, and the
 * planner's
 */
export async function planToRun(
  planners: Planners,
  contents: TaskContents,
): Promise<{ plan: EnginePlan; suppression: readonly Suppression[] }> {
  const plan = await planSame(planners, contents);
  const { uses, policies, facts } = contents;
  const judged = judge({ uses, policies, task: facts });
  if (!judged.ok) {
    throw refusedBy(judged.findings, 'a policy does not allow these uses: see task check');
  }
  const { suppression } = judged;
  if (suppression.length === 0) return { plan, suppression };
  const planner = ofKind('planner', planners, contents.engine);
  const again = await planner.plan({ ...requestOf(contents), suppress: suppression });
  return { plan: again, suppression };
}

/**
 * Refuses what the policies of `own` inputs forbid, and code that is not what its task says; what
 * others' policies forbid is theirs to refuse.
 * @throws CodedError a finding's code, `engine-other`, `uses-differ`, `outputs-differ`, and the
 * planner's
 */
export async function refuseForbidden(
  planners: Planners,
  contents: TaskContents,
  own: (input: number) => boolean,
): Promise<void> {
  const { uses, policies, facts } = contents;
  const { findings } = judge({ uses, policies, task: facts });
  const finding = findings.find(({ input }) => own(input));
  if (finding !== undefined) throw refusedBy([finding], finding.sentence);
  await planSame(planners, contents);
}
