// SPDX-License-Identifier: Apache-2.0
// In the process that runs tests: the function that switchable sources ask (mutants.js), and which
// switches a test file came by. Set up before every test file; only the runner (run.js) loads this.
import fc from 'fast-check';
import { afterEach, inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Name of the mutant that is off, or ''. */
    guardOff: string;
    /** Seeds that the simulator plays: first, and how many. */
    guardSeeds: readonly [number, number];
  }
  interface TaskMeta {
    reached?: string[];
  }
}

interface Switches {
  __cloisterGuardOff?: (id: string) => boolean;
  reached?: Set<string>;
  off?: string;
}

// Modules outlive a test file, so there is one function for all that a process runs.
const switches = globalThis as typeof globalThis & { cloisterGuards?: Switches } & Switches;
switches.cloisterGuards ??= {};
const state = switches.cloisterGuards;
state.off = inject('guardOff');
state.reached = new Set();
switches.__cloisterGuardOff ??= (id) => {
  state.reached?.add(id);
  return id === state.off;
};

// That a property fails is enough: a smaller example takes a hundred times as long.
fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true });

afterEach(({ task }) => {
  task.file.meta.reached = [...(state.reached ?? [])];
});
