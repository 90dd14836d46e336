// SPDX-License-Identifier: Apache-2.0
// What a schema refuses is told in our own words, whatever the schema, and without the value.
import { firstIssue } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const wrong = (schema: z.ZodType, value: unknown) => {
  const { error } = schema.safeParse(value);
  if (error === undefined) throw new Error('the value is refused');
  return firstIssue(error);
};
const named = z.discriminatedUnion('kind', [z.object({ kind: z.literal('one') })]);

describe('an issue', () => {
  it.each<[z.ZodType, unknown, string]>([
    [z.string(), 5, 'wanted a text, got a number'],
    [z.object({ a: z.string() }), {}, 'wanted a text, and there is none'],
    [z.strictObject({}), { x: 1, y: 2 }, 'there is no x, y'],
    [z.string().min(3), 'ab', 'wanted at least 3 characters'],
    [z.array(z.string()).max(1), ['a', 'b'], 'wanted at most 1 entries'],
    [z.number().max(3), 7, 'wanted at most 3'],
    [z.int(), 1.5, 'wanted a whole number, got a number'],
    [z.enum(['a', 'b']), 'c', 'wanted a or b'],
    [
      z.union([z.string(), z.boolean()]),
      1,
      'wanted a text, got a number, or wanted true or false, got a number',
    ],
    [named, { kind: 'two' }, 'wanted one'],
    [z.string().regex(/a/), 'secret', 'wanted another form'],
    [z.iso.date(), 'secret', 'wanted the form of date'],
    [z.string().regex(/a/, 'wanted an a'), 'secret', 'wanted an a'],
    [z.string().refine(() => false), 'secret', 'wanted another value'],
    [z.record(z.string().regex(/a/), z.number()), { b: 1 }, 'wanted another form'],
    [z.map(z.string(), z.number()), {}, 'wanted a map, got an object'],
  ])('of %# is a sentence of ours', (schema, value, says) => {
    expect(wrong(schema, value).says).toBe(says);
  });

  it('names its place', () => {
    const schema = z.object({ columns: z.array(z.object({ k: z.number() })) });
    expect(wrong(schema, { columns: [{ k: 1 }, { k: 'x' }] }).where).toBe('columns.1.k');
    expect(wrong(schema, 7).where).toBe('');
  });
});
