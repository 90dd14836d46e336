// SPDX-License-Identifier: Apache-2.0
// Amendments and signatures that are void, and what an amendment makes void after it: scenarios of
// fold/void-codes.test.ts.
import type { CharterBody, Said, VoidCode } from '@cloister/contract';
import {
  accepted,
  amending,
  type FormedEpoch,
  type Node,
  type Submitted,
  type World,
} from '@cloister/testkit/world';

/** What the scenarios need of the told history. */
export interface Told {
  readonly world: World;
  readonly epoch: FormedEpoch;
  readonly claims: Said<'dataset'>;
  readonly task: Uint8Array;
  readonly worker: Node;
}

type Scenario = (told: Told) => Promise<Submitted>;
type Draft = amending.CharterDraft;

const { amend, memberNamed, nextCharter, propose, sign } = amending;
const ID: Uint8Array = new Uint8Array(32).fill(9);
const PEERS = ['bank', 'hospital'] as const;

const renamed = (draft: Draft) => {
  draft.name = 'Another name';
};

const withoutBank = (draft: Draft) => {
  draft.members = draft.members.filter(({ id }) => id !== 'bank');
  draft.witnesses = { faulty: 0, quorum: 2 };
};

/** The first environment of this role, changed. */
export function environment(
  role: 'keeper' | 'worker',
  change: (of: CharterBody['environments'][number]) => object,
) {
  return (draft: Draft): void => {
    const at = draft.environments.findIndex((one) => one.role === role);
    const was = draft.environments[at] as CharterBody['environments'][number];
    draft.environments[at] = { ...was, ...change(was) };
  };
}

const more = { measurement: ID, source: 'commit 1', recipe: 'npm run build' };
export const alsoTakes = (role: 'keeper' | 'worker') =>
  environment(role, ({ measurements }) => ({ measurements: [...measurements, more] }));
export const takesOnly = (role: 'keeper' | 'worker') =>
  environment(role, () => ({ measurements: [more] }));

function proposed(change: (draft: Draft) => void): Scenario {
  return ({ world }) => propose(world, nextCharter(world, change));
}

/** Widened by the two others: the insurer, who owns the told data, has not signed. */
async function unaccepted({ world }: Told, change: (draft: Draft) => void): Promise<World> {
  await amend(world, (draft) => Object.assign(draft, { witnesses: { faulty: 0, quorum: 2 } }));
  await amend(world, change, { signers: PEERS });
  return world;
}

export const AMEND_SCENARIOS: [VoidCode, Scenario][] = [
  ['amend-before', ({ world }) => propose(world, nextCharter(world, renamed), { before: ID })],
  ['charter-version', proposed((draft) => Object.assign(draft, { name: 'Other', version: 3 }))],
  ['amend-nothing', proposed(() => undefined)],
  ['amend-environment-widened', proposed(environment('worker', () => ({ tcb: 'any' })))],
  ['amend-environment-widened', proposed(environment('worker', () => ({ advisories: ['x'] })))],
  ['amend-environment-widened', proposed(environment('worker', () => ({ minimumSvn: 0 })))],
  ['amend-environment-widened', proposed(environment('worker', () => ({ engines: ['a', 'b'] })))],
  ['amend-environment-widened', proposed(environment('keeper', () => ({ root: ID })))],
  [
    'amend-member-returned',
    async ({ world }) => {
      await amend(world, withoutBank, { signers: ['insurer', 'hospital'] });
      const back = (draft: Draft) => {
        draft.members = [...draft.members, memberNamed(world, 'bank', 'bank-2')];
      };
      return propose(world, nextCharter(world, back));
    },
  ],
  [
    'amend-key-used',
    async ({ world }) => {
      await amend(world, withoutBank, { signers: ['insurer', 'hospital'] });
      const back = (draft: Draft) => {
        draft.members = [...draft.members, { ...memberNamed(world, 'bank'), id: 'branch' }];
      };
      return propose(world, nextCharter(world, back));
    },
  ],
  [
    'amend-key-used',
    ({ world, worker }) => {
      const named = { ...memberNamed(world, 'branch'), witness: worker.signer.key };
      const joins = (draft: Draft) => {
        draft.members = [...draft.members, named];
      };
      return propose(world, nextCharter(world, joins));
    },
  ],
  [
    'amend-replaces',
    ({ world }) => propose(world, nextCharter(world, renamed), { replaces: ['bank'] }),
  ],
  ['sign-unknown', ({ world }) => world.put(world.identity('bank'), 'sign', { amend: ID })],
  [
    'sign-not-a-signer',
    async ({ world }) => {
      const amendment = accepted(await propose(world, nextCharter(world, renamed)));
      return sign(world, amendment, { signer: world.operator('bank') });
    },
  ],
  [
    'sign-witness',
    async ({ world }) => {
      const amendment = accepted(await propose(world, nextCharter(world, renamed)));
      const witness = world.witness('insurer');
      return sign(world, amendment, { signer: world.identity('bank'), witness });
    },
  ],
  [
    'sign-witness',
    async ({ world }) => {
      const amendment = accepted(await propose(world, nextCharter(world, withoutBank)));
      const [signer, witness] = [world.identity('bank'), world.witness('bank')];
      return sign(world, amendment, { signer, witness });
    },
  ],
  [
    'sign-repeated',
    async ({ world }) => {
      const amendment = accepted(await propose(world, nextCharter(world, renamed)));
      return sign(world, amendment, { signer: world.identity('insurer') });
    },
  ],
  [
    'join-measurement-unknown',
    async ({ world, task }) =>
      (await world.tryJoinWorker('bank', task, { measurement: ID })).submitted,
  ],
  [
    'join-environment-not-allowed',
    async ({ world, claims }) => {
      const second = (draft: Draft) => {
        const worker = draft.environments.find(({ role }) => role === 'worker');
        draft.environments = [...draft.environments, { ...worker, id: 'second' } as never];
      };
      await amend(world, second);
      const { operators } = world.taskBody([claims]).worker;
      const worker = { environments: ['second'], operators };
      const task = await world.propose('bank', [claims], { worker });
      await world.approve('insurer', task, [claims]);
      return (await world.tryJoinWorker('bank', task)).submitted;
    },
  ],
  [
    'task-environment-unknown',
    ({ world, claims }) => {
      const worker = { environments: ['keeper-sgx'], operators: ['bank'] };
      return world.put(world.identity('bank'), 'task', world.taskBody([claims], { worker }));
    },
  ],
  [
    'join-owner-not-accepted',
    async (told) => {
      const world = await unaccepted(told, alsoTakes('worker'));
      const { operators } = world.taskBody([told.claims]).worker;
      const worker = { environments: ['worker-sgx'], operators };
      const task = await world.propose('bank', [told.claims], { worker });
      await world.approve('insurer', task, [told.claims]);
      return (await world.tryJoinWorker('bank', task, { measurement: ID })).submitted;
    },
  ],
  [
    'epoch-owner-not-accepted',
    async (told) => {
      const world = await unaccepted(told, (draft) =>
        Object.assign(draft, { keepers: { ...draft.keepers, vendors: 1 } }),
      );
      const joins = told.epoch.nodes.map(({ id }) => id);
      return world.put(world.identity('bank'), 'epoch', { joins, from: told.epoch.id });
    },
  ],
  [
    'dataset-key-not-accepted',
    async (told) => {
      const world = await unaccepted(told, (draft) =>
        Object.assign(draft, { keepers: { ...draft.keepers, vendors: 1 } }),
      );
      return world.put(world.identity('insurer'), 'dataset', world.datasetBody());
    },
  ],
  [
    'dataset-retired',
    async ({ world, claims }) => {
      const fresh = memberNamed(world, 'insurer', 'insurer-2');
      const replaced = (draft: Draft) => {
        draft.members = draft.members.map((one) => (one.id === 'insurer' ? fresh : one));
      };
      const amendment = await amend(world, replaced, { signers: PEERS, replaces: ['insurer'] });
      const { signer, witness } = amending.keysNamed(world, 'insurer-2');
      accepted(await sign(world, amendment, { signer, witness }));
      return world.put(signer, 'dataset', world.datasetBody({ ...claims, version: 2 }));
    },
  ],
  [
    'join-dataset-retired',
    async ({ world, task }) => {
      for (const dataset of world.state.datasets.values()) dataset.retired = true;
      return (await world.tryJoinWorker('bank', task)).submitted;
    },
  ],
  [
    'usage-place-gone',
    async ({ world, worker }) => {
      await amend(world, takesOnly('worker'));
      return world.put(worker.signer, 'usage', await world.usageBody(worker));
    },
  ],
  [
    'usage-place-gone',
    async ({ world, worker }) => {
      await amend(world, takesOnly('keeper'));
      return world.put(worker.signer, 'usage', await world.usageBody(worker));
    },
  ],
];
