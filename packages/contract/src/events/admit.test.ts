// SPDX-License-Identifier: Apache-2.0
// Each kind of event: one valid specimen, then every field taken away, mistyped or added to; every
// way of wrapping it wrongly; and any truncated or flipped byte. Each has its exact code.
import {
  type Cbor,
  CodedError,
  decodeCbor,
  encodeCbor,
  parseCose,
  signCose,
  systemRandom,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { webCrypto } from '@cloister/core/web';
import { charterSpecimen, namedPoint, namedSigner, wholeStory } from '@cloister/testkit/world';
import { createDealing, sealDeal } from '@cloister/threshold/node';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from './admit.ts';
import { EVENT_KINDS, type EventKind } from './bodies.ts';
import { encodeEvent, MAX_EVENT_BYTES, OPERATOR_SUBJECT } from './event.ts';

type Body = Record<string, Cbor>;
const KINDS = Object.keys(EVENT_KINDS) as EventKind[];
const ONE_OF: Record<string, readonly string[]> = {
  join: ['task', 'run', 'place', 'ticket'],
  dataset: ['previous'],
  withdraw: ['version', 'previous'],
  close: ['next'],
  approve: ['previous'],
  decline: ['previous'],
  epoch: ['from'],
  commit: ['hash'],
};
const specimens = new Map<EventKind, Uint8Array>();
let genesis: Uint8Array;
const stranger = namedSigner('admit', 'stranger');
const strangeOperator = namedSigner('admit', 'operator');

beforeAll(async () => {
  const { world } = await wholeStory();
  genesis = world.genesis;
  for (const bytes of world.log) {
    const { kind } = await admit(bytes, nodeCrypto);
    // The last worker's join is kept: it has the optional fields.
    if (!specimens.has(kind) || kind === 'join') specimens.set(kind, bytes);
  }
});

function specimen(kind: EventKind): Uint8Array {
  const bytes = specimens.get(kind);
  if (bytes === undefined) throw new Error(`the story has no ${kind}`);
  return bytes;
}

function bodyOf(kind: EventKind): Body {
  const outer = parseCose(specimen(kind));
  const inner = kind === 'join' ? parseCose(outer.payload) : outer;
  return (decodeCbor(inner.payload) as [number, null, string, Body])[3];
}

/** A body signed by a stranger, which `admit` does not mind. */
async function signed(kind: EventKind, body: Cbor, change: Partial<Wrapping> = {}) {
  const defaults = { version: 1, genesis: kind === 'charter' ? null : genesis, sub: kind };
  const wrapping = { ...defaults, named: kind as string, wrap: kind === 'join', ...change };
  const payload = encodeCbor([wrapping.version, wrapping.genesis, wrapping.named, body]);
  const inner = await signCose(stranger, { iss: 'x', sub: wrapping.sub }, payload);
  if (!wrapping.wrap) return inner;
  return signCose(strangeOperator, { iss: 'x', sub: OPERATOR_SUBJECT }, inner);
}

interface Wrapping {
  version: number;
  genesis: Uint8Array | null;
  sub: string;
  named: string;
  wrap: boolean;
}

async function codeOf(bytes: Uint8Array): Promise<string> {
  try {
    await admit(bytes, nodeCrypto);
    return 'admitted';
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
}

describe.each(KINDS)('%s', (kind) => {
  it('is admitted, alike under both forms of the crypto port', async () => {
    const event = await admit(specimen(kind), nodeCrypto);
    expect(event.kind).toBe(kind);
    expect(await admit(specimen(kind), webCrypto)).toEqual(event);
    expect(await codeOf(await signed(kind, bodyOf(kind)))).toBe('admitted');
  });

  it('refuses every field missing, mistyped or added', async () => {
    const body = bodyOf(kind);
    for (const field of Object.keys(body)) {
      const { [field]: _gone, ...rest } = body;
      const optional = ONE_OF[kind]?.includes(field) === true;
      const missing = await codeOf(await signed(kind, rest));
      // A list needs none: which part has a signature is the maker's form.
      const refused = field === 'signature' ? 'collateral-malformed' : 'event-body-invalid';
      expect(missing, `without ${field}`).toBe(optional ? 'admitted' : refused);
      for (const wrong of [null, -1, 1.5, 2n ** 60n, [], { a: 1 }, new Uint8Array(0)]) {
        const mistyped = await codeOf(await signed(kind, { ...body, [field]: wrong as Cbor }));
        expect(mistyped, `${field} mistyped`).toBe('event-body-invalid');
      }
    }
    expect(await codeOf(await signed(kind, { ...body, more: 1 }))).toBe('event-body-invalid');
    expect(await codeOf(await signed(kind, [] as Cbor))).toBe('event-body-invalid');
  });

  it('refuses another wrapping', async () => {
    const body = bodyOf(kind);
    const other = kind === 'tick' ? 'task' : 'tick';
    const cases: [string, Partial<Wrapping>][] = [
      ['event-version', { version: 2 }],
      ['event-genesis', { genesis: kind === 'charter' ? genesis : null }],
      ['event-genesis', { genesis: new Uint8Array(31) }],
      ['event-subject', { sub: other }],
      ['event-subject', { sub: kind === 'join' ? 'tick' : 'join' }],
      ['event-kind-unknown', { named: 'toString' }],
      ['event-kind-unknown', { named: '__proto__' }],
      [
        kind === 'join' ? 'join-not-countersigned' : 'countersigned-not-a-join',
        { wrap: kind !== 'join' },
      ],
    ];
    for (const [code, change] of cases) {
      expect(await codeOf(await signed(kind, body, change)), JSON.stringify(change)).toBe(code);
    }
  });

  it('refuses any truncation and any flipped bit', async () => {
    const bytes = specimen(kind);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (at, bit) => {
        expect(await codeOf(bytes.subarray(0, at))).toMatch(/^(cose|cbor)-/);
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        const code = await codeOf(flipped);
        expect(code).toMatch(/^[a-z][a-z0-9-]+$/);
        expect(code).not.toBe('admitted');
      }),
      { numRuns: 60 },
    );
  });
});

describe('admission', () => {
  it('has a code for bytes that are no event at all', async () => {
    const cases: [string, Uint8Array][] = [
      ['cose-malformed', new Uint8Array(0)],
      ['event-too-large', new Uint8Array(MAX_EVENT_BYTES + 1)],
      ['event-malformed', await signCose(stranger, { iss: 'x', sub: 'tick' }, encodeCbor([1]))],
      ['event-malformed', await signCose(stranger, { iss: 'x', sub: 'tick' }, encodeCbor('tick'))],
      ['cbor-malformed', await signCose(stranger, { iss: 'x', sub: 'tick' }, new Uint8Array(0))],
      [
        'event-version',
        await signCose(stranger, { iss: 'x', sub: 'a' }, encodeCbor(['1', 2, 3, 4])),
      ],
      ['event-malformed', await emptyIssuer()],
      ['cbor-malformed', await nested(3)],
    ];
    for (const [code, bytes] of cases) expect(await codeOf(bytes)).toBe(code);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await codeOf(bytes)).toMatch(/^(cose|cbor)-/);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a signature by another key, and one over another payload', async () => {
    const bytes = Uint8Array.from(specimen('tick'));
    bytes.set(new Uint8Array(64), bytes.length - 64);
    expect(await codeOf(bytes)).toBe('cose-signature-invalid');
    const inner = parseCose(specimen('join')).payload;
    const broken = Uint8Array.from(inner);
    broken[inner.length - 1] = (inner.at(-1) as number) ^ 1;
    const wrapped = await signCose(strangeOperator, { iss: 'x', sub: OPERATOR_SUBJECT }, broken);
    expect(await codeOf(wrapped)).toBe('cose-signature-invalid');
  });

  it('refuses a join that node and operator signed with one key', async () => {
    const inner = parseCose(specimen('join')).payload;
    const again = await signCose(stranger, { iss: 'x', sub: 'join' }, parseCose(inner).payload);
    const wrapped = await signCose(stranger, { iss: 'x', sub: OPERATOR_SUBJECT }, again);
    expect(await codeOf(wrapped)).toBe('join-signers-equal');
  });

  it('refuses points off the curve, compressed tags and points at infinity', async () => {
    const off = new Uint8Array(65).fill(7);
    off[0] = 4;
    const hybrid = Uint8Array.from(bodyOf('dataset')['groupKey'] as Uint8Array);
    hybrid[0] = 6;
    for (const point of [off, hybrid, new Uint8Array(65)]) {
      for (const [kind, field] of [
        ['join', 'hpke'],
        ['dataset', 'groupKey'],
        ['ack', 'groupKey'],
      ] as const) {
        const bytes = await signed(kind, { ...bodyOf(kind), [field]: point });
        expect(await codeOf(bytes)).toBe('event-point-invalid');
      }
      const charter = charterSpecimen();
      const members = charter.members.map((m, i) => (i === 0 ? { ...m, hpke: point } : m));
      const broken = { ...charter, members };
      expect(await codeOf(await signed('charter', broken as unknown as Cbor))).toBe(
        'event-point-invalid',
      );
    }
  });

  it('judges a reveal: charter, epoch, seat, and that its dealer knows the constant', async () => {
    const body = bodyOf('reveal');
    const cases: [string, Body, Uint8Array?][] = [
      ['reveal-other-charter', body, new Uint8Array(32)],
      ['reveal-other-epoch', { ...body, epoch: new Uint8Array(32) }],
      ['reveal-other-seat', { ...body, seat: 9 }],
      ['reveal-malformed', { ...body, reveal: Uint8Array.of(1) }],
    ];
    const reveal = Uint8Array.from(body['reveal'] as Uint8Array);
    reveal[reveal.length - 1] = (reveal.at(-1) as number) ^ 1;
    cases.push(['pok-invalid', { ...body, reveal }]);
    for (const [code, changed, other] of cases) {
      const bytes = await signed('reveal', changed, other === undefined ? {} : { genesis: other });
      expect(await admit(bytes, nodeCrypto)).toMatchObject({ unproved: code });
    }
  });

  it('hashes the deals of a reveal, and 99 of them with 99 commitments fit', async () => {
    const body = bodyOf('reveal');
    const deals = [Uint8Array.of(7), Uint8Array.of(8)];
    const { revealed } = await admit(await signed('reveal', { ...body, deals }), nodeCrypto);
    expect(revealed?.deals).toEqual(deals.map((deal) => nodeCrypto.digest('sha256', deal)));
    const about = { genesis, epoch: body['epoch'] as Uint8Array, seat: 1, random: systemRandom };
    const { reveal, deals: values } = createDealing({ ...about, n: 99, t: 99 });
    const recipientKey = namedPoint('admit', 'receiving');
    const sealed = values.map(({ seat: recipient, deal }) =>
      sealDeal({ ...about, dealer: 1, recipient, recipientKey, deal }),
    );
    const largest = await signed('reveal', { ...body, seat: 1, reveal, deals: sealed });
    expect(await codeOf(largest)).toBe('admitted');
    expect(largest.length).toBeLessThan(27_000);
  });

  it('judges a complaint: upheld, or what it fails to show', async () => {
    const upheld = await admit(specimen('complaint'), nodeCrypto);
    expect(upheld).toMatchObject({
      upheld: true,
      judged: { reason: 'deal-invalid' },
    });
    const other = await signed('complaint', { ...bodyOf('complaint'), against: 3 });
    const foreign = await admit(other, nodeCrypto);
    expect(foreign).toMatchObject({ upheld: false, judged: { reason: 'reveal-other-seat' } });
    expect(foreign.judged?.commit).toBeUndefined();
    const garbage = await signed('complaint', {
      ...bodyOf('complaint'),
      complaint: Uint8Array.of(0),
    });
    expect(await codeOf(garbage)).toBe('complaint-malformed');
  });

  it('gives a charter the genesis that its payload founds, whoever signs', async () => {
    const first = await admit(specimen('charter'), nodeCrypto);
    const payload = encodeEvent(null, 'charter', charterSpecimen());
    expect(first.founds).toEqual(nodeCrypto.digest('sha256', payload));
    const later = { ...bodyOf('charter'), version: 2 };
    expect(await codeOf(await signed('charter', later))).toBe('event-genesis');
    expect(await codeOf(await signed('charter', later, { genesis }))).toBe('admitted');
    const absurd = { ...bodyOf('charter'), witnesses: { faulty: 2, quorum: 1 } };
    expect(await codeOf(await signed('charter', absurd))).toBe('charter-quorum');
  });
});

describe('lists inside bodies', () => {
  const cases: [string, EventKind, (body: never) => Body][] = [
    ['columns without the footer key', 'dataset', (b: Body) => dropFirst(b, 'columns')],
    ['columns out of order', 'dataset', (b: Body) => reversed(b, 'columns')],
    ['an input twice', 'task', (b: Body) => twice(b, 'inputs')],
    ['an output twice', 'task', (b: Body) => twice(b, 'outputs')],
    ['an output without a recipient', 'task', (b: Body) => withOutput(b, { recipients: [] })],
    ['a recipient twice', 'task', (b: Body) => withOutput(b, { recipients: ['a', 'a'] })],
    ['a recipient that is no name', 'task', (b: Body) => withOutput(b, { recipients: ['A b'] })],
    ['an output 0', 'task', (b: Body) => withOutput(b, { id: 0 })],
    ['an output with something else', 'task', (b: Body) => withOutput(b, { more: 1 })],
    ['no outputs', 'task', (b: Body) => ({ ...b, outputs: [] })],
    ['a granted input twice', 'approve', (b: Body) => twice(b, 'inputs')],
    ['a used input twice', 'usage', (b: Body) => twice(b, 'inputs')],
    ['an operator twice', 'task', repeatOperator],
    ['no joins', 'epoch', (b: Body) => ({ ...b, joins: [] })],
    ['a run id of 15 bytes', 'join', (b: Body) => ({ ...b, run: new Uint8Array(15) })],
    ['an upper-case code', 'decline', (b: Body) => ({ ...b, code: 'No' })],
    ['a lower-case currency', 'dataset', (b: Body) => withPrice(b, { currency: 'eur' })],
    ['a negative price', 'dataset', (b: Body) => withPrice(b, { row: -1 })],
  ];
  it.each(cases)('refuses %s', async (_what, kind, change) => {
    const bytes = await signed(kind, change(bodyOf(kind) as never));
    expect(await codeOf(bytes)).toBe('event-body-invalid');
  });
});

function withOutput(body: Body, change: object): Body {
  const [first] = body['outputs'] as object[];
  return { ...body, outputs: [{ ...first, ...change }] } as Body;
}

function dropFirst(body: Body, field: string): Body {
  return { ...body, [field]: (body[field] as Cbor[]).slice(1) };
}

function reversed(body: Body, field: string): Body {
  return { ...body, [field]: [...(body[field] as Cbor[])].reverse() };
}

function twice(body: Body, field: string): Body {
  const list = body[field] as Cbor[];
  return { ...body, [field]: [...list, list[0] as Cbor] };
}

function repeatOperator(body: Body): Body {
  const worker = body['worker'] as Body;
  return { ...body, worker: { ...worker, operators: ['bank', 'bank'] } };
}

function withPrice(body: Body, change: Body): Body {
  return { ...body, price: { ...(body['price'] as Body), ...change } };
}

async function emptyIssuer(): Promise<Uint8Array> {
  const payload = encodeCbor([1, genesis, 'tick', { time: 1 }]);
  return signCose(stranger, { iss: '', sub: 'tick' }, payload);
}

/** An operator's signature around an operator's signature. */
async function nested(depth: number): Promise<Uint8Array> {
  let bytes: Uint8Array = specimen('join');
  for (let i = 0; i < depth; i++) {
    bytes = await signCose(strangeOperator, { iss: 'x', sub: OPERATOR_SUBJECT }, bytes);
  }
  return bytes;
}
