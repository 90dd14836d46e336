// SPDX-License-Identifier: Apache-2.0
// Schemas of every API and the typed clients over them.
export * from './admin.ts';
export * from './admin-charter.ts';
export * from './admin-client.ts';
export * from './admin-dataset-jobs.ts';
export * from './admin-datasets.ts';
export * from './admin-inspection.ts';
export * from './admin-keepers.ts';
export * from './dialect.ts';
export * from './errors.ts';
export { hex } from './fields.ts';
export * from './gateway.ts';
export * from './http-blobs.ts';
export * from './http-json.ts';
export * from './keeper.ts';
export * from './metrics.ts';
export * from './request-signature.ts';
export * from './worker.ts';
