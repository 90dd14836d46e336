// SPDX-License-Identifier: Apache-2.0
// Who must have signed: an owner without a witness ends the run, it is never left out. What a fold
// that goes on may say.
import { CodedError } from '@cloister/core';
import { World } from '@cloister/testkit/world';
import { expect, it } from 'vitest';
import { crossed, witnessRule } from './cosigned-head.ts';
import type { LedgerPorts } from './ports.ts';

it('the rule names a witness for every owner, or fails closed', async () => {
  const { charter } = await World.create();
  const ports = { follower: { charter } } as unknown as LedgerPorts;
  const rule = witnessRule(ports, ['insurer', 'hospital', 'insurer']);
  expect(rule.required).toEqual(['insurer', 'hospital']);
  expect(rule.quorum).toBe(charter.witnesses.quorum);
  expect(witnessRule(ports).required).toEqual([]);
  const code = 'owner-witness-missing';
  expect(() => witnessRule(ports, ['insurer', 'gone'])).toThrow(expect.objectContaining({ code }));
});

it('a fold that cannot go on now is as it was, a fault of ours is told', async () => {
  const failing = (error: Error) => crossed({ follower: { step: () => Promise.reject(error) } });
  await failing(new CodedError('peer-unreachable', 'unavailable', 'gone'));
  await expect(failing(new TypeError('ours'))).rejects.toThrow(TypeError);
});
