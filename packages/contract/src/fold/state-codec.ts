// SPDX-License-Identifier: Apache-2.0
// The state as bytes, and back. One schema says what every table holds; encoding is deterministic
// CBOR, so equal states give equal bytes and a digest of them names the state; decoding takes
// nothing that the schema does not allow. Maps are decoded in the order of their keys: no outcome
// of the fold may depend on any other. `recent` is derived, `forgotten` is no part of the state.
// spec/events.md, "State".
import { type Cbor, decodeCbor, encodeCbor, isCoded } from '@cloister/core';
import type { z } from 'zod';
import { contractError } from '../errors.ts';
import { EVENT_KINDS, type EventBody, type EventKind } from '../events/bodies.ts';
import {
  bytes,
  type Codec,
  choice,
  flag,
  list,
  mapOf,
  nullable,
  numbered,
  record,
  setOf,
  text,
  whole,
} from './codec.ts';
import type {
  Amendment,
  Dataset,
  DatasetVersion,
  Due,
  Epoch,
  EpochEnd,
  FoldState,
  Following,
  Grant,
  Join,
  KeptPart,
  KeyOwner,
  Proposal,
  Run,
  Task,
} from './state.ts';

/** Version of the schema below; it rises with the charter's `fold`. */
export const STATE_SCHEMA = 1;

/** A body as its event had it: the event's own schema says what it may hold. */
function bodyOf<K extends EventKind>(kind: K): Codec<EventBody<K>> {
  const schema = EVENT_KINDS[kind].body as unknown as z.ZodType<EventBody<K>>;
  return {
    encode: (body) => body as unknown as Cbor,
    decode: (value, at) => {
      const read = schema.safeParse(objects(value));
      if (read.success) return read.data;
      throw malformed(`${at} is no body of a ${kind}`);
    },
  };
}

const amendment = record<Amendment>({
  author: text,
  body: bodyOf('amend'),
  digest: bytes,
  seq: whole,
  signed: setOf(text),
  shown: setOf(text),
});

const join = record<Join>({
  body: bodyOf('join'),
  signer: bytes,
  seq: whole,
  at: whole,
  excluded: nullable(text),
});

const proposal = record<Proposal>({
  member: text,
  joins: list(text),
  from: nullable(text),
  within: whole,
  consents: setOf(text),
  agreed: nullable(whole),
});

const epoch = record<Epoch>({
  status: choice('forming', 'active', 'superseded', 'ended'),
  seq: whole,
  phase: choice('commit', 'reveal', 'ack'),
  joins: list(text),
  from: nullable(text),
  threshold: whole,
  dealers: list(whole),
  maySwap: flag,
  deadline: whole,
  commits: numbered(bytes),
  receiving: numbered(bytes),
  reveals: numbered(record({ event: text, reveal: bytes, deals: list(bytes) })),
  acks: numbered(record({ transcript: bytes, groupKey: bytes })),
  groupKey: nullable(bytes),
  transcript: nullable(bytes),
  activeSeq: nullable(whole),
  supersededSeq: nullable(whole),
  supersededAt: nullable(whole),
  end: nullable(
    record<EpochEnd>({
      code: text,
      faults: list(text),
      doubted: list(text),
      wanted: text,
      got: text,
    }),
  ),
});

const dataset = record<Dataset>({
  owner: text,
  retired: flag,
  newest: whole,
  versions: numbered(
    record<DatasetVersion>({
      event: text,
      body: bodyOf('dataset'),
      size: whole,
      seq: whole,
      withdrawn: flag,
    }),
  ),
  reading: setOf(text),
});

const grant = record<Grant>({
  owner: text,
  person: text,
  whole: list(flag),
  standing: list(whole),
  runs: whole,
  used: whole,
  from: whole,
  until: whole,
  holds: whole,
});

const task = record<Task>({
  proposer: text,
  body: bodyOf('task'),
  seq: whole,
  at: whole,
  size: whole,
  approvals: numbered(grant),
  grants: mapOf(mapOf(whole)),
  following: list(nullable(record<Following>({ policy: bytes, since: whole }))),
  said: mapOf(text),
  declines: mapOf(text),
  runs: list(text),
  open: setOf(text),
});

const run = record<Run>({
  task: text,
  versions: list(whole),
  join: text,
  roster: numbered(text),
  status: choice('joined', 'recorded', 'released', 'failed'),
  at: whole,
  until: whole,
  deadline: whole,
  simulated: flag,
  paid: list(whole),
  usage: nullable(record({ event: text, body: bodyOf('usage'), seq: whole, at: whole })),
  releasedSeq: nullable(whole),
  failure: nullable(text),
  refusals: mapOf(text),
});

const part = record<KeptPart>({
  body: bodyOf('collateral'),
  rootKey: bytes,
  subject: text,
  evaluation: whole,
  issued: whole,
  until: whole,
  chainUntil: whole,
  by: text,
  event: text,
});

const state = record<Omit<FoldState, 'recent' | 'forgotten'>>({
  seq: whole,
  genesis: bytes,
  charter: nullable(bodyOf('charter')),
  charterDigest: nullable(bytes),
  charterSeqs: list(whole),
  amendment: nullable(text),
  amendments: mapOf(amendment),
  accepted: mapOf(whole),
  gained: mapOf(whole),
  former: record({ members: setOf(text), keys: setOf(text) }),
  founders: setOf(text),
  closings: mapOf(text),
  closed: nullable(record({ seq: whole, next: text })),
  ticks: mapOf(record({ time: whole, size: whole })),
  clock: whole,
  collateral: mapOf(part),
  joins: mapOf(join),
  machines: mapOf(list(text)),
  nodeKeys: mapOf(text),
  proposals: mapOf(proposal),
  epochs: mapOf(epoch),
  activeEpoch: nullable(text),
  formingEpoch: nullable(text),
  datasets: mapOf(dataset),
  keyOwners: list(record<KeyOwner>({ owner: text, accepted: nullable(whole) })),
  tasks: mapOf(task),
  load: mapOf(whole),
  runs: mapOf(run),
  wishes: mapOf(text),
  due: list(record<Due>({ at: whole, what: choice('run', 'task'), key: text })),
  seen: mapOf(whole),
  voids: mapOf(whole),
});

/** The state's one encoding: [schema, state]. */
export function encodeState(of: FoldState): Uint8Array<ArrayBuffer> {
  return encodeCbor([STATE_SCHEMA, state.encode(of)]);
}

/** @throws CodedError `state-malformed`, `state-schema` */
export function decodeState(from: Uint8Array): FoldState {
  let parts: Cbor;
  try {
    parts = decodeCbor(from, { maps: true });
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw malformed(`it is not deterministic CBOR: ${cause.message}`);
  }
  const [schema, value] = Array.isArray(parts) && parts.length === 2 ? (parts as Cbor[]) : [];
  if (schema !== STATE_SCHEMA) {
    const got = typeof schema === 'number' ? `schema ${schema}` : 'none';
    throw contractError('state-schema', `got ${got}, wanted ${STATE_SCHEMA}`);
  }
  const known = state.decode(value as Cbor, 'the state');
  const recent = new Map<number, string>();
  for (const ids of [known.seen, known.voids]) {
    for (const [id, seq] of ids) recent.set(seq, id);
  }
  return { ...known, recent, forgotten: [] };
}

/** Maps with text keys as the objects that event schemas read. */
function objects(value: Cbor): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, inner]) => [String(key), objects(inner)]));
  }
  return Array.isArray(value) ? value.map(objects) : value;
}

function malformed(why: string) {
  return contractError('state-malformed', `these bytes are no state: ${why}`);
}
