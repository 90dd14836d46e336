// SPDX-License-Identifier: Apache-2.0
// The keeper's parts without its loop: no timer, no network. For the simulator, which brings its
// own time; nothing that runs imports this.

export { assertAsked } from './asked.ts';
export { Ceremony, type CeremonyPorts } from './ceremony.ts';
export { type Decision, decide, type OpenPorts, type OpenRequest } from './open.ts';
