// SPDX-License-Identifier: Apache-2.0
// A member's gateway: its folder, and starting it in this process. `dist/main.js` is the process.
export type { GatewayErrorCode } from './errors.ts';
export * from './home.ts';
export { type RunningGateway, startGateway } from './start.ts';
