// SPDX-License-Identifier: Apache-2.0
// A world of its own whose programs are upgraded while it works (testing/acts/upgrade.ts).
import { afterAll, beforeAll, describe } from 'vitest';
import { upgrade } from '../../testing/acts/upgrade.ts';
import { openTheatre, type Theatre } from '../../testing/theatre.ts';

let theatre: Theatre;

beforeAll(async () => {
  theatre = await openTheatre();
}, 120_000);

afterAll(() => theatre?.close());

describe('an upgrade', { timeout: 90_000 }, () => upgrade(() => theatre));
