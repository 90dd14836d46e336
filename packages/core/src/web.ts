// SPDX-License-Identifier: Apache-2.0
// The browser forms of core's ports.
export * from './crypto/web.ts';
