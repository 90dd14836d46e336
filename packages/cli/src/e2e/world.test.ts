// SPDX-License-Identifier: Apache-2.0
// One raised world, with real processes, and three acts in it: what is refused, what a whole run
// must be, and how the group key lives on. Raising a world is what costs, so they share it; the one
// that sets the ledger's clock ahead is the last.
import { afterAll, beforeAll, describe } from 'vitest';
import { keyLife } from '../../testing/acts/key-life.ts';
import { refusals } from '../../testing/acts/refusals.ts';
import { wholeRun } from '../../testing/acts/whole-run.ts';
import { openTheatre, type Theatre } from '../../testing/theatre.ts';

let theatre: Theatre;

beforeAll(async () => {
  theatre = await openTheatre();
}, 120_000);

afterAll(() => theatre?.close());

// Where one runs out of time the world is left as it was, and the next ones fail too.
const timeout = 90_000;
describe('refusals', { timeout }, () => refusals(() => theatre));
describe('runs', { timeout }, () => wholeRun(() => theatre));
describe('keys', { timeout }, () => keyLife(() => theatre));
