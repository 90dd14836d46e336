// SPDX-License-Identifier: Apache-2.0
// A keeper's refusal: a verdict for good, which its own receipt takes back.
import { type ErrorRow, toHex } from '@cloister/core';
import { appraisalError, evidenceError } from '@cloister/evidence';
import { amending, type Node, World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { takesOnly } from '../../testing/amend-scenarios.ts';
import { contractError } from '../errors.ts';
import { findingError } from '../policy/finding.ts';
import { LASTING_REFUSALS } from './lasting-refusals.ts';

/** Keepers that hold a key, a worker that has joined, and what one of them may say of it. */
async function joined() {
  const world = await World.create();
  const { nodes } = await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims]);
  const worker = await world.joinWorker('bank', task);
  const { run = new Uint8Array(16) } = worker.body;
  return { world, nodes, worker, refusal: { task, run, join: worker.id, code: 'debug-refused' } };
}

describe('refusals', () => {
  it('give way to the receipt of who opened after all, and end with the run', async () => {
    const { world, nodes, worker, refusal } = await joined();
    const [opens, , silent] = nodes as [Node, Node, Node];
    for (const { signer } of [opens, silent]) await world.must(signer, 'refusal', refusal);
    const refusals = () => [...(world.state.runs.get(toHex(refusal.run))?.refusals.keys() ?? [])];
    expect(refusals()).toEqual([opens, silent].map(({ id }) => toHex(id)));
    await world.recordUsage(worker);
    expect(refusals()).toEqual([toHex(silent.id)]);
    const { outcome } = await world.put(opens.signer, 'refusal', {
      ...refusal,
      code: 'no-subject',
    });
    expect(outcome).toMatchObject({ status: 'void', code: 'run-already-recorded' });
  });

  it('are no word of a keeper whose place the charter has taken away', async () => {
    const { world, nodes, refusal } = await joined();
    const [{ signer }] = nodes as [Node];
    const standing = world.fork();
    await standing.must(signer, 'refusal', refusal);
    await amending.amend(world, takesOnly('keeper'));
    const { outcome } = await world.put(signer, 'refusal', refusal);
    expect(outcome).toMatchObject({ status: 'void', code: 'join-measurement-unknown' });
  });

  it('have codes of errors that are known, none of which is a matter of reach', () => {
    const known = { ...evidenceError.rows, ...appraisalError.rows, ...findingError.rows };
    const rows: Readonly<Record<string, ErrorRow>> = { ...known, ...contractError.rows };
    for (const code of LASTING_REFUSALS) {
      expect(rows[code], code).toBeDefined();
      expect(['unavailable', 'not-found']).not.toContain(rows[code]?.kind);
    }
    expect(LASTING_REFUSALS.has('tcb-status-not-accepted')).toBe(false);
  });
});
