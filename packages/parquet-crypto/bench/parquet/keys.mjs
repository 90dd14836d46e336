// SPDX-License-Identifier: Apache-2.0
// The master keys of the bench: fixed, because several processes open the same files.
const key = (id) => ({ id, masterKey: new Uint8Array(32).fill(Number(id) + 1) });
export const FOOTER_KEY = key('0');
export const COLUMN_KEY = key('1');
