// SPDX-License-Identifier: Apache-2.0
// One line an entry, and of a fault of ours only where it was.
import { CodedError } from '@cloister/core';
import { expect, it } from 'vitest';
import { errorFields, jsonLog } from './log.ts';

it('writes one JSON object a line', () => {
  const lines: string[] = [];
  const log = jsonLog({ now: () => 0 }, 'keeper-bank', (line) => lines.push(line));
  log.info('joined', { join: 'ab\ncd', seats: 3 });
  log.warn('behind');
  expect(lines.map((line) => [line.endsWith('\n'), JSON.parse(line)])).toEqual([
    [
      true,
      {
        time: '1970-01-01T00:00:00.000Z',
        level: 'info',
        node: 'keeper-bank',
        event: 'joined',
        join: 'ab\ncd',
        seats: 3,
      },
    ],
    [
      true,
      { time: '1970-01-01T00:00:00.000Z', level: 'warn', node: 'keeper-bank', event: 'behind' },
    ],
  ]);
  expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
});

it('says code and sentence of a coded error, the place of any other, nothing it holds', () => {
  const coded = errorFields(new CodedError('is-refused', 'policy', 'why'));
  expect(coded).toEqual({ code: 'is-refused', message: 'why' });
  const fault = errorFields(new TypeError('a cell value\n    at another cell value'));
  expect(fault).toMatchObject({ code: 'internal', message: 'TypeError' });
  expect(fault.at).toContain('log.test.ts');
  expect(JSON.stringify(fault)).not.toContain('cell');
  expect(errorFields('a cell value')).toEqual({ code: 'internal', message: 'unknown' });
});
