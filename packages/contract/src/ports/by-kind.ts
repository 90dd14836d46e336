// SPDX-License-Identifier: Apache-2.0
// Planners and runners by kind: the engine that a task names decides which is asked, and a task
// whose engine is not here is refused with what was asked for and what is here.
import { contractError } from '../errors.ts';
import type { BoundGrouping, EngineTable, Planner } from './planner.ts';
import type { Runner } from './runner.ts';

/** Ports of engines by their kind, in the order of their settings. */
export type ByKind<Port> = ReadonlyMap<string, Port>;
export type Planners = ByKind<Planner>;
export type Runners = ByKind<Runner>;

/** @throws CodedError `engine-kind-twice` */
export function byKind<Port extends { readonly kind: string }>(
  ports: readonly Port[],
): ByKind<Port> {
  const found = new Map<string, Port>();
  for (const port of ports) {
    if (found.has(port.kind)) {
      const message = `two engines of kind ${port.kind} are set up here: name each kind once`;
      throw contractError('engine-kind-twice', message);
    }
    found.set(port.kind, port);
  }
  return found;
}

/** The port of a task's engine. @throws CodedError `engine-other` */
export function ofKind<Port>(
  what: 'planner' | 'runner',
  there: ByKind<Port>,
  engine: string,
): Port {
  const found = there.get(engine);
  if (found !== undefined) return found;
  const kinds = [...there.keys()].sort();
  const message =
    `the task is for the engine ${engine}, of which no ${what} is here: ` +
    `there are ${kinds.join(', ') || 'none'}`;
  throw contractError('engine-other', message, { details: { engine, there: kinds.join(' ') } });
}

/**
 * A policy's grouping, bound by the first planner here that binds any: bound forms are of its kind.
 * @throws CodedError `grouping-unbound`, and the planner's
 */
export async function bindGrouping(
  planners: ByKind<Pick<Planner, 'bindGrouping'>>,
  table: EngineTable,
  sql: string,
): Promise<BoundGrouping> {
  for (const planner of planners.values()) {
    const bound = planner.bindGrouping?.(table, sql);
    if (bound !== undefined) return bound;
  }
  const kinds = [...planners.keys()].join(', ') || 'none';
  const message = `no planner here binds groupings (there are ${kinds}): leave out ${sql}`;
  throw contractError('grouping-unbound', message);
}
