// SPDX-License-Identifier: Apache-2.0
// Errors keep their code, and only what is not coded yet is wrapped; the system's ports do what
// they say at their edges.
import { describe, expect, it } from 'vitest';
import { assert, CodedError, coded, isCoded, systemClock, systemRandom } from './index.ts';

describe('coded errors', () => {
  const error = new CodedError('a-code', 'policy', 'a message', { details: { wanted: 1 } });

  it('carry code, kind, details and cause', () => {
    expect(error).toMatchObject({ code: 'a-code', kind: 'policy', details: { wanted: 1 } });
    expect('cause' in error).toBe(false);
    expect(new CodedError('b', 'usage', 'm', { cause: error }).cause).toBe(error);
  });

  it('are told by their code', () => {
    expect(isCoded(error)).toBe(true);
    expect(isCoded(error, 'a-code')).toBe(true);
    expect(isCoded(error, 'another')).toBe(false);
    expect(isCoded(Object.assign(new Error('m'), { code: 'a-code' }))).toBe(false);
  });

  it('pass through `coded`, everything else is wrapped once', () => {
    const wrap = (cause: unknown) => new CodedError('wrapped', 'malformed', 'w', { cause });
    const thrower = (thrown: unknown) => () => {
      throw thrown;
    };
    expect(coded(() => 7, wrap)).toBe(7);
    expect(() => coded(thrower(error), wrap)).toThrow(error);
    expect(() => coded(thrower(new RangeError('r')), wrap)).toThrow(/^w$/);
    expect(() => coded(thrower('text'), wrap)).toThrow(/^w$/);
  });

  it('are not what a broken invariant throws', () => {
    const broken = (): void => assert(Date.now() < 0, 'broken');
    expect(() => assert(true, 'holds')).not.toThrow();
    expect(broken).toThrow(/assertion failed: broken/);
    expect(broken).not.toThrow(CodedError);
  });
});

describe('ports', () => {
  it('randomness of any length, past what one call of the runtime gives', () => {
    expect(systemRandom.bytes(0)).toHaveLength(0);
    const bytes = systemRandom.bytes(200_001);
    for (const at of [0, 65_536, 131_072, 199_969]) {
      expect(bytes.subarray(at, at + 32).some((byte) => byte !== 0)).toBe(true);
    }
    expect(systemRandom.bytes(32)).not.toEqual(systemRandom.bytes(32));
  });

  it('a clock in milliseconds', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });
});
