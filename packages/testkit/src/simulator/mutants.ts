// SPDX-License-Identifier: Apache-2.0
// How one guard is switched off in a keeper, a follower or an owner's gateway: by wrapping ports,
// so that the real code runs on behind it. Two ways. A view: the code reads the one value that the
// guard compares as if it were right (a quorum of 1, a run that is open). A repair: where a guard
// looks inside bytes, the node gets those bytes with the flaw mended, which only the simulator can
// do, because it knows the attacker's secrets. Everything after the guard is the real code's.
import {
  type Admission,
  type AdmittedEvent,
  type AnyEvent,
  type Appraiser,
  decodeTaskOpenings,
  type EventBody,
  encodeTaskOpenings,
  type FoldState,
  type Follower,
  openingsInfo,
  type TaskOpenings,
} from '@cloister/contract';
import { decodePolicy, encodePolicy } from '@cloister/contract/policy';
import { type CryptoPort, isCoded, toHex } from '@cloister/core';
import type { decide, OpenPorts, OpenRequest } from '@cloister/keeper/protocol';
import { hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import { formatNote, logOrigin, parseNote } from '@cloister/tlog';
import { withoutGuard } from './attackers/charter-mutants.ts';
import { stubAppraiser } from './evidence.ts';
import type { Stage } from './stage.ts';
import { OWNER } from './tasks.ts';

type Decide = typeof decide;

/** The code of the line of appraisal that each guard is. */
const APPRAISAL: Readonly<Record<string, string>> = {
  measurement: 'measurement-not-allowed',
  'maker-signature': 'signature-invalid',
  debug: 'debug-not-allowed',
  'report-data': 'report-data-mismatch',
};

/** Admission in a node; `node` is a member's name for its gateway. */
export function admissionOf(
  stage: Stage,
  of: { node: string; state: () => FoldState; told?: (bytes: Uint8Array) => void },
): Admission {
  const { admission } = stage.shared;
  return async (bytes, crypto) => {
    of.told?.(bytes);
    if (stage.mutant === undefined) return admission(bytes, crypto);
    return mutated(stage, of, bytes, crypto);
  };
}

async function mutated(
  stage: Stage,
  of: { node: string; state: () => FoldState; told?: (bytes: Uint8Array) => void },
  bytes: Uint8Array,
  crypto: CryptoPort,
): Promise<AnyEvent> {
  const { admission } = stage.shared;
  const repair = stage.repairs.get(stage.shared.nameOf(bytes));
  const mended = repair !== undefined && repair.guard !== 'root' && stage.off(repair.guard);
  const event = await admission(mended ? repair.bytes : bytes, crypto);
  if (mended && event.kind === 'reveal') forgetCommit(of.state(), event);
  return changed(stage, of, withoutGuard(stage, of.state(), event));
}

function changed(
  stage: Stage,
  of: { node: string; state: () => FoldState; told?: (bytes: Uint8Array) => void },
  event: AnyEvent,
): AnyEvent {
  const keeper = of.node.startsWith('keeper');
  if (stage.off('checkpoint-quorum') && event.kind === 'charter' && of.told !== undefined) {
    const witnesses = { ...event.body.witnesses, quorum: 1 };
    return { ...event, body: { ...event.body, witnesses } };
  }
  if (stage.off('withdrawal') && event.kind === 'withdraw') {
    return { ...event, body: { ...event.body, dataset: new Uint8Array(16) } };
  }
  if (stage.off('engine') && event.kind === 'charter') {
    const environments = event.body.environments.map((e) => ({
      ...e,
      engines: ['duckdb', 'spark'],
    }));
    return { ...event, body: { ...event.body, environments } };
  }
  if (stage.off('run-limit') && keeper && event.kind === 'approve') {
    return { ...event, body: { ...event.body, runs: 1_000 } };
  }
  if (stage.off('versions') && keeper && event.kind === 'approve') {
    const standing = event.body.inputs.flatMap(({ dataset, columns }) => {
      const body = of.state().datasets.get(toHex(dataset))?.versions.get(1)?.body;
      return body === undefined ? [] : [{ dataset, columns, ...pick(body) }];
    });
    return { ...event, body: { ...event.body, standing } };
  }
  if (stage.off('approval') && keeper && event.kind === 'dataset') {
    return { ...event, body: { ...event.body, approvals: 0 } };
  }
  if (event.kind === 'usage') return lenient(stage, of.state(), event);
  if (stage.off('one-transcript') && of.node === OWNER && event.kind === 'ack') {
    return overrule(of.state(), event);
  }
  return event;
}

function pick({ schema, policy }: EventBody<'dataset'>) {
  return { schema, policy };
}

/** The commit as if it had been to what is revealed. */
function forgetCommit(state: FoldState, { body, commitHash }: AdmittedEvent<'reveal'>): void {
  const epoch = state.epochs.get(toHex(body.epoch));
  if (commitHash !== undefined) epoch?.commits.set(body.seat, commitHash);
}

/** A usage record whose receipts say what the guard that is off would have wanted. */
function lenient(stage: Stage, state: FoldState, event: AdmittedEvent<'usage'>): AnyEvent {
  const { receipts: [first, ...rest] = [] } = event;
  const { joins = [] } = state.epochs.get(toHex(event.body.epoch)) ?? {};
  if (first === undefined) return event;
  const held = (seat: number) => {
    const { signer = first.signer } = state.joins.get(joins[seat - 1] ?? '') ?? {};
    return { ...first, seat, signer };
  };
  const said = [first, ...rest];
  if (stage.off('receipt-seat')) return { ...event, receipts: said.map(({ seat }) => held(seat)) };
  const others = joins.map((_, i) => held(i + 1)).filter(({ seat }) => seat !== first.seat);
  const twice = rest.length > 0 && rest.every(({ seat }) => seat === first.seat);
  const alone = rest.length === 0 && stage.off('receipts-few');
  return alone || (twice && stage.off('receipt-twice'))
    ? { ...event, receipts: [first, ...others] }
    : event;
}

/** Whatever the others acknowledged, the newest acknowledgement counts for all. */
function overrule(state: FoldState, event: AdmittedEvent<'ack'>): AdmittedEvent<'ack'> {
  const { transcript, groupKey } = event.body;
  const acks = state.epochs.get(toHex(event.body.epoch))?.acks;
  for (const seat of acks?.keys() ?? []) acks?.set(seat, { transcript, groupKey });
  return event;
}

/** A keeper's decision with the guard off. */
export function decideWith(stage: Stage, real: Decide, appraiser: Appraiser): Decide {
  const { mutant } = stage;
  if (mutant === undefined) return real;
  return async (given, share, request) => {
    const ports: OpenPorts = { ...given, appraiser };
    const change = CHANGES[mutant];
    if (change === undefined) return real(ports, share, request);
    const changed = await change(stage, ports, request);
    return real({ ...ports, ...changed.ports }, share, changed.request ?? request);
  };
}

type Change = (
  stage: Stage,
  ports: OpenPorts,
  request: OpenRequest,
) => Promise<{ ports?: Partial<OpenPorts>; request?: OpenRequest }>;

const CHANGES: Readonly<Record<string, Change>> = {
  freshness: async () => ({
    ports: { challenges: { use: (_, candidates) => candidates[0] as Uint8Array } },
  }),
  quorum: async (_, { follower }) => {
    const witnesses = { ...follower.charter.witnesses, quorum: 1 };
    return { ports: { follower: seen(follower, { charter: { ...follower.charter, witnesses } }) } };
  },
  // What is off is what a follower asks of a head, not what is asked of a freshness note.
  'checkpoint-quorum': async ({ world }, { follower }) => {
    return { ports: { follower: seen(follower, { charter: world.charter }) } };
  },
  'own-witness': async (_, { follower }) => {
    const [other] = follower.charter.members;
    const members = follower.charter.members.map((member) => {
      return member.id === OWNER ? { ...member, witness: other?.witness as Uint8Array } : member;
    });
    const state = { charter: { ...follower.charter, members } };
    return { ports: { follower: seen(follower, { state }) } };
  },
  'one-head': async (stage, { crypto }, request) => {
    const text = parseNote(request.freshness[0] as string).text;
    return rewritten(stage, crypto, request, () => text);
  },
  genesis: async (stage, { crypto, genesis }, request) => {
    return rewritten(stage, crypto, request, (text) => {
      return text.replace(/\ncloister\/[0-9a-f]{64}\n/, `\n${logOrigin(genesis)}\n`);
    });
  },
  'own-history': async (_, { follower }) => {
    const syncTo: Follower['syncTo'] = async (head, by) => {
      try {
        await follower.syncTo(head, by);
      } catch (error) {
        if (!isCoded(error, 'ledger-history-mismatch')) throw error;
      }
    };
    return { ports: { follower: seen(follower, { syncTo }) } };
  },
  'run-ended': async (_, { follower }, { join }) => {
    const body = follower.state.joins.get(toHex(join))?.body;
    const task = follower.state.tasks.get(toHex(body?.task ?? new Uint8Array()));
    // Nothing pays for a run that has ended: a second wall, taken down with the first.
    const paid = [...(task?.approvals.keys() ?? [])];
    const runs = patched(
      () => follower.state.runs,
      toHex(body?.run ?? new Uint8Array()),
      (run) => (run.status === 'joined' ? run : { ...run, status: 'joined' as const, paid }),
    );
    return { ports: { follower: seen(follower, { state: { runs } }) } };
  },
  roster: async (_, { follower }, { join }) => {
    const key = toHex(follower.state.joins.get(toHex(join))?.body.task ?? new Uint8Array());
    const tasks = patched(
      () => follower.state.tasks,
      key,
      (task) => {
        const { measurements, operators } = task.body.worker;
        return { ...task, body: { ...task.body, worker: { measurements, operators } } };
      },
    );
    return { ports: { follower: seen(follower, { state: { tasks } }) } };
  },
  'roster-match': async (_, { follower }, { join }) => {
    const run = toHex(follower.state.joins.get(toHex(join))?.body.run ?? new Uint8Array());
    const runs = patched(
      () => follower.state.runs,
      run,
      (known) => ({
        ...known,
        roster: new Map([...known.roster.keys()].map((place) => [place, toHex(join)])),
      }),
    );
    return { ports: { follower: seen(follower, { state: { runs } }) } };
  },
  // What the founding charter had is there still.
  standing: async ({ world }, { follower }) => {
    const now = follower.charter;
    const operators = withAll(now.operators, world.charter.operators);
    const environments = withAll(now.environments, world.charter.environments);
    const charter = { ...now, operators, environments };
    return { ports: { follower: seen(follower, { charter, state: { charter } }) } };
  },
  'evidence-expiry': async (_, { appraiser }) => {
    const appraise: Appraiser['appraise'] = async (state, key) => {
      const result = await appraiser.appraise(state, key);
      if (!result.ok) return result;
      const time = { ...result.claims.time, validUntil: Number.MAX_SAFE_INTEGER };
      return { ...result, claims: { ...result.claims, time } };
    };
    return { ports: { appraiser: { appraise } } };
  },
  openings: async (stage, { crypto, follower }, { join }) => {
    const task = follower.state.joins.get(toHex(join))?.body.task as Uint8Array;
    const right = follower.state.tasks.get(toHex(task))?.body.code as Uint8Array;
    const wrong = stage.swapped.has(toHex(join));
    const swappedCode = stage.tasks.get(toHex(task))?.openings.code.value as Uint8Array;
    const salt = new Uint8Array(16);
    return { ports: { crypto: wrong ? also(crypto, [salt, swappedCode], right) : crypto } };
  },
  policy: async (_, ports, request) => {
    const opened = openOpenings(ports, request);
    const inputs = opened.inputs.map((input) => ({ ...input, policy: permissive(input.policy) }));
    let { crypto } = ports;
    for (const [i, { policy }] of inputs.entries()) {
      const was = opened.inputs[i]?.policy as typeof policy;
      const right = crypto.digest('sha256', was.salt, was.value);
      crypto = also(crypto, [policy.salt, policy.value], right);
    }
    return { ports: { crypto }, request: sealAgain(ports, request, { ...opened, inputs }) };
  },
  'column-grant': async (_, ports, request) => {
    const { follower } = ports;
    const key = toHex(follower.state.joins.get(toHex(request.join))?.body.task ?? new Uint8Array());
    const tasks = patched(
      () => follower.state.tasks,
      key,
      (task) => {
        const all = [1, 3];
        const inputs = task.body.inputs.map((input) => ({ ...input, columns: all }));
        return { ...task, body: { ...task.body, inputs } };
      },
    );
    return { ports: { follower: seen(follower, { state: { tasks } }) } };
  },
  pi: async (stage, { blobs, follower }, { join }) => {
    const task = follower.state.joins.get(toHex(join))?.body.task ?? new Uint8Array();
    const mended = stage.tasks.get(toHex(task))?.dataset.mended;
    const get: typeof blobs.get = async (digest, most) => {
      const bytes = await blobs.get(digest, most);
      return Uint8Array.from(mended?.get(toHex(digest)) ?? bytes);
    };
    return { ports: { blobs: { ...blobs, get } } };
  },
};

/** How a keeper appraises: `seat-appraisal` lets every seat pass, the others miss one line. */
export function appraisersOf(stage: Stage, blobs: Parameters<typeof stubAppraiser>[0]) {
  const worker = stubAppraiser(blobs, APPRAISAL[stage.mutant ?? '']);
  const anyone = { appraise: async () => ({ ok: true }) } as unknown as Appraiser;
  return { seats: stage.off('seat-appraisal') ? anyone : stubAppraiser(blobs), worker };
}

function withAll<T extends { readonly id: string }>(now: readonly T[], once: readonly T[]): T[] {
  return [...now, ...once.filter(({ id }) => now.every((one) => one.id !== id))];
}

type Seen = Pick<Follower, 'state' | 'charter' | 'syncTo' | 'step'>;

/** The follower with some of what it shows replaced; the rest moves on with it. */
function seen(
  follower: Seen,
  by: Partial<Omit<Seen, 'state'>> & { state?: Partial<FoldState> },
): Seen {
  return {
    get state() {
      return Object.create(follower.state, propertiesOf(by.state ?? {})) as FoldState;
    },
    charter: by.charter ?? follower.charter,
    syncTo: by.syncTo ?? ((head, by) => follower.syncTo(head, by)),
    step: () => follower.step(),
  };
}

function propertiesOf(values: object): PropertyDescriptorMap {
  const entries = Object.entries(values).map(([name, value]) => [name, { value }]);
  return Object.fromEntries(entries) as PropertyDescriptorMap;
}

/** A map as it is, but for one value. */
function patched<V>(
  map: () => Map<string, V>,
  key: string,
  change: (known: V) => V,
): Map<string, V> {
  const get = (asked: string) => {
    const known = map().get(asked);
    return asked === key && known !== undefined ? change(known) : known;
  };
  return { get, has: (asked: string) => map().has(asked) } as Map<string, V>;
}

/** A digest that answers `right` for these parts too. */
function also(crypto: CryptoPort, parts: readonly Uint8Array[], right: Uint8Array): CryptoPort {
  const wrong = toHex(crypto.digest('sha256', ...parts));
  return {
    ...crypto,
    digest: (hash, ...given) => {
      const digest = crypto.digest(hash, ...given);
      return toHex(digest) === wrong ? Uint8Array.from(right) : digest;
    },
  };
}

/** The notes over another text, and a crypto port to which what was really signed still holds. */
async function rewritten(
  stage: Stage,
  crypto: CryptoPort,
  request: OpenRequest,
  change: (text: string) => string,
): Promise<{ ports: Partial<OpenPorts>; request: OpenRequest }> {
  const held = new Set<string>();
  const freshness = request.freshness.map((note) => {
    const { text, signatures } = parseNote(note);
    for (const { name, signature } of signatures) {
      if (stage.issued.has(`${name}\n${text}`)) held.add(toHex(signature.subarray(-64)));
    }
    return formatNote(change(text), signatures);
  });
  const verifyEd25519: CryptoPort['verifyEd25519'] = async (key, data, signature) =>
    held.has(toHex(signature)) || crypto.verifyEd25519(key, data, signature);
  return { ports: { crypto: { ...crypto, verifyEd25519 } }, request: { ...request, freshness } };
}

const NO_AAD = new Uint8Array(0);

function openOpenings(ports: OpenPorts, request: OpenRequest): TaskOpenings {
  const info = openingsInfo(ports.genesis, 'keeper');
  const sealed = request.openings;
  return decodeTaskOpenings(hpkeOpen({ keyPair: ports.hpke, info, aad: NO_AAD, sealed }));
}

function sealAgain(ports: OpenPorts, request: OpenRequest, openings: TaskOpenings): OpenRequest {
  const info = openingsInfo(ports.genesis, 'keeper');
  const { publicKey } = ports.hpke;
  const plaintext = encodeTaskOpenings(openings);
  return { ...request, openings: hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext }) };
}

/** Every column may be shown to anyone. */
function permissive(policy: { salt: Uint8Array; value: Uint8Array }) {
  const read = decodePolicy(policy.value);
  const rules = [{ rule: 'reveal', for: 'any', purpose: 'any', code: 'any' }] as const;
  const columns = read.columns.map((column) => ({ ...column, rules: [...rules] }));
  return { salt: policy.salt, value: encodePolicy({ ...read, columns }) };
}
