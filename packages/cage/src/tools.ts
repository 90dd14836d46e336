// SPDX-License-Identifier: Apache-2.0
// The programs that a cage is made with. They are looked for where systems keep their own, never on
// PATH: who sets a process's environment would choose its cage.
import { accessSync, constants } from 'node:fs';

const FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];

export const SHELL = '/bin/sh';

/** Where a program of the system lies. */
export function tool(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
