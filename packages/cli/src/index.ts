// SPDX-License-Identifier: Apache-2.0
// The command line as a library: for tests that drive the same functions as the commands.
export { adminOf } from './admin-client.ts';
export * from './charter-file.ts';
export * from './demo/cast.ts';
export * from './demo/data.ts';
export { createReport, type Report } from './demo/report.ts';
export { freePorts, Stage } from './demo/stage.ts';
export * from './demo/world.ts';
export * from './gateway-home.ts';
export * from './hardware.ts';
export { serveCharterLedger } from './ledger-server.ts';
export { buildProgram } from './program.ts';
export * from './start-node.ts';
