// SPDX-License-Identifier: Apache-2.0
// The program that a keeper is measured by, and nothing else.
import { runKeeper } from './run-keeper.ts';

await runKeeper();
