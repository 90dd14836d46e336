// SPDX-License-Identifier: Apache-2.0
// Task openings: each part is read only as what the ledger has a commitment to; every mutation of
// every part has its code; hostile bytes never fail with something uncoded.
import { encodeCbor, systemRandom, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventBody } from '../events/bodies.ts';
import { encodePolicy, encodeUses, type Policy } from '../policy/index.ts';
import { codeDigestOf, encodeCode, textCodeOf } from './code.ts';
import { commitTo, type Opening } from './commitment.ts';
import {
  columnsRead,
  decodeParameters,
  decodeSchema,
  decodeTaskOpenings,
  encodeParameters,
  encodeSchema,
  encodeTaskOpenings,
  openingsInfo,
  readTaskOpenings,
  type TaskOpenings,
} from './task.ts';

const ports = { crypto: nodeCrypto, random: systemRandom };
const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;
const POLICY: Policy = {
  version: 1,
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: [{ id: 1, name: 'a', rules: [{ rule: 'reveal', ...ANY }] }],
};
const SCHEMAS = ['claims', 'visits'].map((name) => ({
  name,
  columns: [{ id: 1, name: 'a', type: 'BIGINT' }],
}));
const PARAMETERS = {
  tables: ['c', 'v'],
  params: { limit: 5, what: 'x', flag: true, nothing: null },
  outputs: [{ id: 1, statement: 0, name: 'a', type: 'BIGINT' }],
};
const code = commitTo(textCodeOf('SELECT a FROM c'), ports);
const parameters = commitTo(encodeParameters(PARAMETERS), ports);
const uses = commitTo(encodeUses([]), ports);
const purpose = commitTo(utf8('testing'), ports);
const schemas = SCHEMAS.map((schema) => commitTo(encodeSchema(schema), ports));
const policies = SCHEMAS.map(() => commitTo(encodePolicy(POLICY), ports));

const events = {
  task: {
    engine: 'duckdb',
    statements: 1,
    code: code.commitment,
    parameters: parameters.commitment,
    uses: uses.commitment,
    purpose: purpose.commitment,
    inputs: [{}, {}],
    outputs: [{ id: 1, recipients: ['bank'] }],
  } as unknown as EventBody<'task'>,
  datasets: schemas.map(
    (schema, i) =>
      ({
        schema: schema.commitment,
        policy: policies[i]?.commitment,
      }) as unknown as EventBody<'dataset'>,
  ),
};
const openings: TaskOpenings = {
  code: code.opening,
  parameters: parameters.opening,
  uses: uses.opening,
  purpose: purpose.opening,
  inputs: schemas.map((schema, i) => ({
    schema: schema.opening,
    policy: (policies[i] as (typeof policies)[number]).opening,
  })),
};

const read = (changed: Partial<TaskOpenings>, by = events) =>
  readTaskOpenings({ ...openings, ...changed }, by, nodeCrypto);

/** Ways in which one opening can be another. */
const MUTATIONS: Record<string, (opening: Opening) => Opening> = {
  'another salt': ({ value }) => ({ salt: new Uint8Array(16), value }),
  'a salt too short': ({ salt, value }) => ({ salt: salt.slice(1), value }),
  // Salt and value moved against each other hash alike; only the length of the salt tells.
  'the same bytes cut elsewhere': ({ salt, value }) => ({
    salt: salt.slice(0, 15),
    value: new Uint8Array([...salt.slice(15), ...value]),
  }),
  'a byte more': ({ salt, value }) => ({ salt, value: new Uint8Array([...value, 0x20]) }),
  'another value': ({ salt }) => ({ salt, value: textCodeOf('SELECT b FROM c') }),
};

describe('task openings', () => {
  it('come back whole, and are read', () => {
    const back = decodeTaskOpenings(encodeTaskOpenings(openings));
    expect(back).toEqual(openings);
    expect(readTaskOpenings(back, events, nodeCrypto)).toEqual({
      engine: 'duckdb',
      code: 'SELECT a FROM c',
      parameters: PARAMETERS,
      uses: [],
      schemas: SCHEMAS,
      policies: [POLICY, POLICY],
      facts: {
        purpose: 'testing',
        codeDigest: codeDigestOf({ text: 'SELECT a FROM c' }, nodeCrypto),
        outputs: events.task.outputs,
      },
    });
  });

  for (const [what, mutate] of Object.entries(MUTATIONS)) {
    for (const part of ['code', 'parameters', 'uses', 'purpose'] as const) {
      it(`are refused with ${what} in ${part}`, () => {
        const wrong = () => read({ [part]: mutate(openings[part]) });
        expect(wrong).toThrow(expect.objectContaining({ code: 'task-opening-mismatch' }));
      });
    }
    for (const part of ['schema', 'policy'] as const) {
      it(`are refused with ${what} in an input's ${part}`, () => {
        const inputs = openings.inputs.map((input, i) =>
          i === 1 ? { ...input, [part]: mutate(input[part]) } : input,
        );
        const wrong = () => read({ inputs });
        expect(wrong).toThrow(expect.objectContaining({ code: 'task-opening-mismatch' }));
      });
    }
  }

  it('are refused with their parts or inputs swapped', () => {
    const mismatch = expect.objectContaining({ code: 'task-opening-mismatch' });
    expect(() => read({ code: openings.purpose, purpose: openings.code })).toThrow(mismatch);
    expect(() => read({ inputs: [...openings.inputs].reverse() })).toThrow(mismatch);
    const [first] = openings.inputs;
    expect(() => read({ inputs: first ? [first, first] : [] })).toThrow(mismatch);
  });

  it('are refused with an input too few or too many', () => {
    const malformed = expect.objectContaining({ code: 'task-openings-malformed' });
    const { inputs } = openings;
    expect(() => read({ inputs: inputs.slice(1) })).toThrow(malformed);
    expect(() => read({ inputs: [...inputs, ...inputs] })).toThrow(malformed);
    const fewer = { ...events, datasets: events.datasets.slice(1) };
    expect(() => read({ inputs: inputs.slice(1) }, fewer)).toThrow(malformed);
  });

  it('are refused when a committed value is not what it should be', () => {
    const one = { ...PARAMETERS, tables: ['c'] };
    const values: [keyof TaskOpenings & ('parameters' | 'uses' | 'code'), Uint8Array][] = [
      ['parameters', encodeParameters(one)],
      ['parameters', utf8('not CBOR')],
      ['uses', utf8('not CBOR')],
      ['code', Uint8Array.of(0xff, 0xfe)],
    ];
    for (const [part, value] of values) {
      const { commitment, opening } = commitTo(value, ports);
      const by = { ...events, task: { ...events.task, [part]: commitment } };
      const wrong = () => read({ [part]: opening }, by);
      expect(wrong).toThrow(expect.objectContaining({ name: 'CodedError' }));
    }
  });

  it('are refused where they have another number of statements than the task says', () => {
    const by = { ...events, task: { ...events.task, statements: 2 } };
    expect(() => read({}, by)).toThrow(expect.objectContaining({ code: 'statements-differ' }));
  });

  it('are refused where the code is files, which nothing here runs', () => {
    const file = { path: 'main.sql', digest: new Uint8Array(32), length: 1 };
    const { commitment, opening } = commitTo(
      encodeCode({ files: [file], entry: file.path }),
      ports,
    );
    const by = { ...events, task: { ...events.task, code: commitment } };
    const refused = expect.objectContaining({ code: 'code-in-files' });
    expect(() => read({ code: opening }, by)).toThrow(refused);
  });

  it('never fail with something uncoded', () => {
    const whole = encodeTaskOpenings(openings);
    const coded = expect.objectContaining({
      code: expect.stringMatching(
        /^(task-openings-malformed|cbor-malformed|cbor-not-deterministic)$/,
      ),
    });
    for (let end = 0; end < whole.length; end += 7) {
      expect(() => decodeTaskOpenings(whole.slice(0, end))).toThrow(coded);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(() => decodeTaskOpenings(junk)).toThrow(coded);
      }),
    );
    const pair = [new Uint8Array(16), new Uint8Array(1)];
    const shapes: unknown[] = [
      [pair, pair, pair, pair],
      [pair, pair, pair, pair, [], []],
      [pair, pair, pair, pair, 'inputs'],
      [pair, pair, pair, pair, [[pair]]],
      [pair, pair, pair, pair, [[pair, 1]]],
      [pair, pair, pair, [new Uint8Array(16)], []],
      [pair, pair, pair, ['salt', new Uint8Array(1)], []],
      [pair, pair, pair, pair, Array.from({ length: 101 }, () => [pair, pair])],
    ];
    for (const shape of shapes) {
      const bytes = encodeCbor(shape as Parameters<typeof encodeCbor>[0]);
      expect(() => decodeTaskOpenings(bytes)).toThrow(coded);
    }
  });
});

describe('schemas and parameters', () => {
  const malformed = expect.objectContaining({ code: 'task-openings-malformed' });
  const column = { id: 1, name: 'a', type: 'BIGINT' };

  it('number their columns 1, 2, 3 in order', () => {
    const two = { ...column, id: 2, name: 'b' };
    expect(decodeSchema(encodeSchema({ name: 't', columns: [column, two] })).columns).toHaveLength(
      2,
    );
    for (const columns of [[two, column], [two], [column, column], []]) {
      expect(() => decodeSchema(encodeSchema({ name: 't', columns }))).toThrow(malformed);
    }
  });

  it('refuse unknown fields, empty names and values that are no constants', () => {
    const output = { ...column, statement: 0 };
    const wrong: unknown[] = [
      { ...PARAMETERS, more: 1 },
      { ...PARAMETERS, tables: [] },
      { ...PARAMETERS, tables: [''] },
      { ...PARAMETERS, outputs: [] },
      { ...PARAMETERS, outputs: [{ ...output, id: 0 }] },
      { ...PARAMETERS, outputs: [column] },
      { ...PARAMETERS, outputs: [{ ...output, statement: -1 }] },
      { ...PARAMETERS, outputs: [{ ...output, statement: 100 }] },
      { ...PARAMETERS, outputs: [{ ...output, statement: 1 }] },
      { ...PARAMETERS, outputs: [output, output] },
      { ...PARAMETERS, outputs: [output, { ...output, id: 2, statement: 2 }] },
      {
        ...PARAMETERS,
        outputs: [output, { ...output, id: 2, statement: 1 }, { ...output, id: 3 }],
      },
      { ...PARAMETERS, params: { a: [1] } },
    ];
    for (const value of wrong) {
      const bytes = encodeCbor(value as Parameters<typeof encodeCbor>[0]);
      expect(() => decodeParameters(bytes)).toThrow(malformed);
    }
  });
});

describe('columnsRead', () => {
  const use = (input: number, column: number) =>
    ({
      statement: 0,
      input,
      column,
      role: 'output',
      function: '',
      expression: '',
      output: 1,
    }) as const;

  it('is what the code uses and what suppression counts, once each, in order', () => {
    const suppression = [{ input: 0, subjects: [4, 2] }] as unknown as Parameters<
      typeof columnsRead
    >[1]['suppression'];
    const by = { uses: [use(0, 3), use(0, 2), use(0, 3), use(1, 9)], suppression, asked: [1] };
    expect(columnsRead(0, by)).toEqual([2, 3, 4]);
    expect(columnsRead(1, by)).toEqual([9]);
  });

  it('is the first column asked for where the code only counts rows', () => {
    const by = { uses: [use(0, 0)], suppression: [], asked: [5, 6] };
    expect(columnsRead(0, by)).toEqual([5]);
  });
});

it('openings sealed to a worker are not those sealed to a keeper, nor of another genesis', () => {
  const genesis = new Uint8Array(32);
  expect(openingsInfo(genesis, 'worker')).not.toEqual(openingsInfo(genesis, 'keeper'));
  expect(openingsInfo(genesis, 'worker')).not.toEqual(
    openingsInfo(genesis.slice().fill(1), 'worker'),
  );
});
