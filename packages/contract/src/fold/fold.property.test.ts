// SPDX-License-Identifier: Apache-2.0
// The fold is total and keeps its invariants whatever is thrown at it: events drawn from a told
// history, whole or with fields exchanged between them, in any order, by any signer that occurs.
// They skip admission, so signatures and facts of the bytes may be anything too.
import { type Cbor, encodeCbor, equal, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { START_MS, type World, wholeStory } from '@cloister/testkit/world';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../events/admit.ts';
import type { AnyEvent } from '../events/event.ts';
import { fold } from './fold.ts';
import { rightsOfJoin } from './rights.ts';
import { cloneState, emptyState, type FoldState, type Join } from './state.ts';
import { encodeState } from './state-codec.ts';
import { placed } from './statements.ts';
import { missingGrants, taskState } from './task-state.ts';
import { VOID_CODES } from './void-codes.ts';

let world: World;
let story: AnyEvent[];

beforeAll(async () => {
  ({ world } = await wholeStory());
  story = await Promise.all(world.log.map((bytes) => admit(bytes, nodeCrypto)));
});

/** What is done to an event of the story before it is folded again. */
interface Change {
  readonly pick: number;
  readonly signer: number;
  readonly field: number;
  readonly from: number;
  readonly fresh: boolean;
  readonly tick: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  pick: fc.nat(),
  signer: fc.nat(9),
  field: fc.nat(9),
  from: fc.nat(),
  fresh: fc.boolean(),
  tick: fc.nat(900_000),
});

function at<T>(list: readonly T[], i: number): T {
  return list[i % list.length] as T;
}

/** An event of the story with its signer, one body field or its id exchanged. */
function changed(c: Change, i: number): AnyEvent {
  const event = at(story, c.pick);
  const sameKind = story.filter((other) => other.kind === event.kind);
  const donor = at(sameKind, c.from).body as Record<string, unknown>;
  const fields = Object.keys(event.body);
  const body: Record<string, unknown> = { ...event.body };
  const field = fields[c.field];
  if (field !== undefined && donor[field] !== undefined) body[field] = donor[field];
  if (event.kind === 'tick') body['time'] = START_MS + c.tick;
  const id = nodeCrypto.digest('sha256', encodeCbor([i, c.pick, body as Cbor]));
  const named = c.fresh ? { id, key: toHex(id) } : {};
  const signer = c.signer === 0 ? at(story, c.from).signer : event.signer;
  return { ...event, ...named, signer, body } as AnyEvent;
}

/** What holds in every state. */
function check(state: FoldState, before: { clock: number; seq: number }): void {
  expect(state.clock).toBeGreaterThanOrEqual(before.clock);
  expect(state.seq).toBe(before.seq + 1);
  for (const [key, task] of state.tasks) {
    for (const { used, runs } of task.approvals.values()) expect(used).toBeLessThanOrEqual(runs);
    expect(task.runs.every((run) => state.runs.get(run)?.task === key)).toBe(true);
    expect(taskState(state, key)).toBeDefined();
    expect(missingGrants(state, key).every(({ code }) => code in VOID_CODES)).toBe(true);
  }
  for (const [key, run] of state.runs) {
    expect(toHex(state.joins.get(run.join)?.body.run ?? new Uint8Array())).toBe(key);
    expect(run.usage === null).toBe(run.status === 'joined' || run.status === 'failed');
    expect(run.roster.get(1)).toBe(run.join);
    const nodes = state.tasks.get(run.task)?.body.worker.nodes ?? 1;
    expect(run.roster.size).toBeLessThanOrEqual(nodes);
    for (const [place, join] of run.roster) {
      const { body } = state.joins.get(join) as Join;
      expect([toHex(body.run ?? new Uint8Array()), body.place ?? 1]).toEqual([key, place]);
    }
  }
  for (const key of state.joins.keys()) expect(typeof rightsOfJoin(state, key).ok).toBe('boolean');
  const epochs = [...state.epochs];
  const active = epochs.filter(([, e]) => e.status === 'active').map(([key]) => key);
  const forming = epochs.filter(([, e]) => e.status === 'forming').map(([key]) => key);
  expect(active).toEqual(state.activeEpoch === null ? [] : [state.activeEpoch]);
  expect(forming).toEqual(state.formingEpoch === null ? [] : [state.formingEpoch]);
  for (const [, e] of epochs) expect(e.groupKey !== null).toBe(e.activeSeq !== null);
  for (const dataset of state.datasets.values()) {
    expect([...dataset.versions.keys()]).toEqual(
      Array.from({ length: dataset.newest }, (_, i) => i + 1),
    );
  }
  checkIndexes(state);
}

/** What is kept beside what it follows from, so that no event walks all of it. */
function checkIndexes(state: FoldState): void {
  for (const task of state.tasks.values()) {
    const standing = [...task.grants.values()].flatMap((persons) => [...persons.values()]);
    const paying = [...task.open].flatMap((run) => state.runs.get(run)?.paid ?? []);
    const holds = new Map<number, number>();
    for (const at of [...standing, ...paying]) holds.set(at, (holds.get(at) ?? 0) + 1);
    const kept = [...task.approvals].map(([at, grant]) => [at, grant.holds] as const);
    expect(new Map(kept)).toEqual(holds);
  }
  const groupKey = state.epochs.get(state.activeEpoch ?? '')?.groupKey ?? new Uint8Array();
  for (const [key, dataset] of state.datasets) {
    const readers = [...state.tasks].filter(([, { open, body }]) => {
      return open.size > 0 && body.inputs.some((input) => toHex(input.dataset) === key);
    });
    expect(dataset.reading).toEqual(new Set(readers.map(([task]) => task)));
    const sealed = [...dataset.versions.values()].some(({ body }) =>
      equal(body.groupKey, groupKey),
    );
    const owners = state.keyOwners.map(({ owner }) => owner);
    if (sealed) expect(owners).toContain(dataset.owner);
  }
}

/** The state without what every event moves, void or not. */
function content(state: FoldState): string {
  return toHex(
    encodeState({ ...state, seq: 0, seen: new Map(), voids: new Map(), recent: new Map() }),
  );
}

describe('the fold, whatever comes', () => {
  it('gives each event an outcome and keeps its invariants; a void event changes nothing', () => {
    const starts = [emptyState(world.genesis), cloneState(world.state)];
    const half = emptyState(world.genesis);
    for (const event of story.slice(0, Math.floor(story.length * 0.8))) fold(half, event);
    starts.push(half);
    const counts = { accepted: 0, void: 0 };
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.array(change, { minLength: 10, maxLength: 25, size: 'max' }),
        (start, changes) => {
          const state = cloneState(starts[start] as FoldState);
          for (const [i, c] of changes.entries()) {
            const before = { clock: state.clock, seq: state.seq };
            const was = content(state);
            const outcome = fold(state, changed(c, i));
            counts[outcome.status] += 1;
            expect(outcome.seq).toBe(before.seq);
            if (outcome.status === 'void') expect(content(state)).toBe(was);
            if (outcome.status === 'void') expect(outcome.code in VOID_CODES).toBe(true);
            check(state, before);
          }
        },
      ),
      { numRuns: 30 },
    );
    expect(counts.accepted).toBeGreaterThan(10);
    expect(counts.void).toBeGreaterThan(200);
  });

  it('gives the same state from the same events in the same order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(story.map((_, i) => i)), (order) => {
        const [a, b] = [emptyState(world.genesis), emptyState(world.genesis)];
        const outcomes = order.map((i) => fold(a, story[i] as AnyEvent));
        expect(order.map((i) => fold(b, story[i] as AnyEvent))).toEqual(outcomes);
        expect(toHex(encodeState(a))).toBe(toHex(encodeState(b)));
      }),
      { numRuns: 30 },
    );
  });

  it('accepts the story again from its start, and none of it a second time', () => {
    const state = emptyState(world.genesis);
    for (const event of story) expect(fold(state, event).status).toBe('accepted');
    for (const event of story) expect(fold(state, event).status).toBe('void');
  });

  it('never lets joins exceed the runs granted, in any order of joins, grants and time', () => {
    const joins = story.filter((e) => e.kind === 'join' && e.body.role === 'worker');
    const approvals = story.filter((e) => e.kind === 'approve');
    const start = emptyState(world.genesis);
    const upTo = story.findIndex((e) => e.kind === 'approve');
    for (const event of story.slice(0, upTo)) fold(start, event);
    const step = fc.record({ join: fc.boolean(), pick: fc.nat(), n: fc.nat() });
    let most = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), (steps) => {
        const state = cloneState(start);
        let granted = 0;
        for (const [i, s] of steps.entries()) {
          const event = at(s.join ? joins : approvals, s.pick);
          const again = renamed(state, event, i);
          const outcome = fold(state, again);
          // The first owner's data needs one approval of two runs, and a person's newer one counts.
          if (!s.join && outcome.status === 'accepted' && event === approvals[0]) granted += 2;
        }
        expect(state.runs.size).toBeLessThanOrEqual(granted);
        most = Math.max(most, state.runs.size);
      }),
      { numRuns: 150 },
    );
    expect(most).toBeGreaterThan(2);
  });
});

/** The same statement under an id, keys and a run of its own, in its author's turn. */
function renamed(state: FoldState, event: AnyEvent, i: number): AnyEvent {
  const fresh = (what: string): Uint8Array =>
    nodeCrypto.digest('sha256', encodeCbor([event.key, what, i]));
  const named = { ...event, id: fresh('id'), key: toHex(fresh('id')) };
  if (event.kind === 'approve') {
    const { previous: _, within: __, ...said } = event.body;
    return { ...named, body: placed(state, event.signer, { kind: 'approve', said }) } as AnyEvent;
  }
  if (event.kind !== 'join') return named as AnyEvent;
  const keys = { run: fresh('run').slice(0, 16), tls: fresh('tls'), hpke: fresh('hpke') };
  const ticket = event.ticket && { ...event.ticket, run: keys.run };
  const renewed = { ...event.body, ...keys };
  return { ...named, signer: fresh('key'), ticket, body: renewed } as AnyEvent;
}
