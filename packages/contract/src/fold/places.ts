// SPDX-License-Identifier: Apache-2.0
// Whether the charter in force has a place for a node. Asked again wherever a join counts for
// something: a join that was accepted is good as long as its place is in the newest charter.
// spec/events.md, "join".
import { equal, toHex } from '@cloister/core';
import type { EventBody } from '../events/bodies.ts';
import { indexOf } from './lookup.ts';
import { isBuilt } from './reserved.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Whether the charter in force still has a place for a node: operator, environment, hardware. */
export function judgePlace(state: FoldState, body: EventBody<'join'>): Verdict {
  const { operators, environments } = indexOf(state);
  const operator = operators.get(body.operator);
  if (operator === undefined) return voided('join-operator-unknown', body.operator);
  const environment = environments.get(body.environment);
  if (environment === undefined) return voided('join-environment-unknown', body.environment);
  if (environment.role !== body.role) {
    const got = `got a ${body.role}, ${environment.id} is for a ${environment.role}`;
    return voided('join-environment-role', got);
  }
  if (environment.also.length > 0) return voided('join-evidence-also', environment.id);
  if (environment.signers.length > 0) return voided('join-signers', environment.id);
  if (!isBuilt(environment.cage)) return voided('join-cage', environment.cage);
  const hardware = toHex(body.hardware);
  if (!operator.hardware.some((h) => h.tee === environment.tee && toHex(h.id) === hardware)) {
    const got = `${environment.tee} ${hardware.slice(0, 32)} under ${operator.id}`;
    return voided('join-hardware-not-enrolled', got);
  }
  return undefined;
}

/** As `judgePlace`, and whether the environment still takes the measurement that the join names. */
export function judgeStanding(state: FoldState, body: EventBody<'join'>): Verdict {
  const unfit = judgePlace(state, body);
  if (unfit !== undefined) return unfit;
  const { measurements = [] } = indexOf(state).environments.get(body.environment) ?? {};
  if (measurements.some((m) => equal(m.measurement, body.measurement))) return undefined;
  const short = (measurement: Uint8Array) => toHex(measurement).slice(0, 16);
  const wanted = measurements.map((m) => short(m.measurement)).join(' or ');
  const got = `got ${short(body.measurement)} in ${body.environment}, wanted ${wanted}`;
  return voided('join-measurement-unknown', got);
}
