// SPDX-License-Identifier: Apache-2.0
// A file system in which exactly one call fails, chosen by its number, either before it did
// anything or after it did everything (`fails after persisting`). A test runs its subject once to
// learn how many calls there are, then once for each, and asks that nothing acknowledged was lost.
import type { FileHandle } from 'node:fs/promises';
import { type FileSystem, nodeFileSystem } from '@cloister/core/node';

export interface Fault {
  /** Number of the call that fails, from 0; calls of the file system and of its handles count. */
  readonly at: number;
  readonly when: 'before' | 'after';
  /** The system code of the error: EIO unless told. */
  readonly code?: string;
}

export interface FaultyFiles {
  readonly fs: FileSystem;
  /** Names of the calls made so far, in order. */
  readonly calls: readonly string[];
}

const HANDLE_CALLS = new Set(['writeFile', 'write', 'appendFile', 'read', 'sync', 'datasync']);

/** Node's file system with the one `fault`, or with none. */
export function faultyFiles(fault?: Fault): FaultyFiles {
  const calls: string[] = [];
  const attempt = async (name: string, act: () => Promise<unknown>): Promise<unknown> => {
    const fails = calls.push(name) - 1 === fault?.at;
    if (fails && fault.when === 'before') throw systemError(fault, name);
    const result = await act();
    if (!fails) return result;
    // A handle that nobody will see again is closed, so that the test does not leak it.
    if (name === 'open') await (result as FileHandle).close();
    throw systemError(fault, name);
  };
  const wrap = <T extends object>(target: T, counted: (name: string) => boolean): T =>
    new Proxy(target, {
      get(_, property) {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== 'function' || typeof property !== 'string') return member;
        const call = (...args: readonly unknown[]): unknown =>
          Reflect.apply(member as () => unknown, target, args);
        if (!counted(property)) return call;
        return async (...args: readonly unknown[]) => {
          const result = await attempt(property, async () => call(...args));
          const opened = property === 'open' ? (result as FileHandle) : undefined;
          return opened === undefined ? result : wrap(opened, (name) => HANDLE_CALLS.has(name));
        };
      },
    });
  return { fs: wrap({ ...nodeFileSystem }, () => true), calls };
}

function systemError(fault: Fault, call: string): Error {
  const code = fault.code ?? 'EIO';
  return Object.assign(new Error(`${code}: injected into ${call}`), { code });
}
