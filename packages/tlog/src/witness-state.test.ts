// SPDX-License-Identifier: Apache-2.0
// A witness's memory as text: what is written is read, and nothing else is, whatever its digest.
import { toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { logOrigin } from './index.ts';
import { formatWitnessState, parseWitnessState, type WitnessState } from './witness-state.ts';

const head = {
  origin: logOrigin(new Uint8Array(32).fill(9)),
  size: 12,
  root: new Uint8Array(32).fill(5),
};
const [own, other] = [head.root, new Uint8Array(32).fill(6)];
const state: WitnessState = {
  key: new Uint8Array(32).fill(1),
  head,
  fork: { size: 11, own, other, source: 'followed' },
};

/** The text of `state` with something changed, and the digest that belongs to it. */
function changed(change: (text: string) => string): Uint8Array {
  const lines = new TextDecoder().decode(formatWitnessState(nodeCrypto, state)).split('\n');
  const text = change(`${lines.slice(0, -2).join('\n')}\n`);
  return utf8(`${text}${toHex(nodeCrypto.digest('sha256', utf8(text)))}\n`);
}

describe('the state of a witness', () => {
  it('is read as it was written, with an alarm and without', () => {
    const { fork: _, ...calm } = state;
    for (const each of [state, calm]) {
      const bytes = formatWitnessState(nodeCrypto, each);
      expect(parseWitnessState(nodeCrypto, bytes)).toEqual(each);
    }
  });

  it.each<[string, (text: string) => string, string]>([
    ['another header', (text) => text.replace('/v1', '/v2'), 'has other lines'],
    ['a line more', (text) => `${text}more\n`, 'has other lines'],
    ['a fork of other words', (text) => text.replace('fork 11', 'fork eleven'), 'has a fork line'],
    ['a fork in other digits', (text) => text.replace('fork 11', 'fork 011'), 'does not match'],
    ['a root that is short', (text) => text.replace(/\S+\n$/, 'AAAA\n'), 'has a root that is not'],
    ['a size that is none', (text) => text.replace('\n12\n', '\n-1\n'), 'a checkpoint has a size'],
  ])('with %s is refused', (_what, change, says) => {
    const message = expect.stringMatching(new RegExp(`^the state of the witness ${says}[^:]*: `));
    expect(() => parseWitnessState(nodeCrypto, changed(change))).toThrow(
      expect.objectContaining({ code: 'witness-state-corrupt', message }),
    );
  });

  it('is not called corrupt when the fault is ours', () => {
    const digest = () => {
      throw new TypeError('no digests here');
    };
    const bytes = formatWitnessState(nodeCrypto, state);
    expect(() => parseWitnessState({ ...nodeCrypto, digest }, bytes)).toThrow(TypeError);
  });
});
