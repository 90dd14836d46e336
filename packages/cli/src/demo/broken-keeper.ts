// SPDX-License-Identifier: Apache-2.0
// A keeper whose host has broken its hardware: it is measured as the keeper that it is not. It does
// as it should until it is told to lie (SIGUSR2); from then on the points of its partial openings
// are made up. Only simulated hardware can be told to vouch for it (refused-acts.ts).
import { keeperParts, runKeeper } from '@cloister/keeper';
import { somePoint } from './some-point.ts';

let lies = false;
process.on('SIGUSR2', () => {
  lies = true;
});

await runKeeper((options, ports) => {
  const parts = keeperParts(options, ports);
  return {
    ...parts,
    decide: async (...asked) => {
      const decision = await parts.decide(...asked);
      if (!lies) return decision;
      const partials = decision.partials.map((partial) => ({ ...partial, point: somePoint() }));
      return { ...decision, partials };
    },
  };
});
