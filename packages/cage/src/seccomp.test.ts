// SPDX-License-Identifier: Apache-2.0
// The filter, run by an interpreter of its few instructions, for every number and what decides.
import { describe, expect, it } from 'vitest';
import { seccompFilter } from './seccomp.ts';
import { ALLOWED, FORBIDDEN, IOCTLS, PRCTLS } from './syscalls.ts';

const X86_64 = 0xc000_003e;
const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;

interface Call {
  readonly number: number;
  readonly args?: readonly number[];
  readonly architecture?: number;
}

/** What the kernel does with the filter: the few instructions that it has. */
function verdict({ number, args = [], architecture = X86_64 }: Call): number {
  const bytes = seccompFilter('x64') as Uint8Array;
  const code = new DataView(bytes.buffer);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [at, arg] of args.entries()) data.setUint32(16 + 8 * at, arg, true);
  let held = 0;
  for (let at = 0; at < bytes.length / 8; at += 1) {
    const op = code.getUint16(at * 8, true);
    const [yes, no] = [code.getUint8(at * 8 + 2), code.getUint8(at * 8 + 3)];
    const value = code.getUint32(at * 8 + 4, true);
    if (op === 0x06) return value;
    if (op === 0x20) held = data.getUint32(value, true);
    else if (op === 0x15) at += held === value ? yes : no;
    else if (op === 0x35) at += held >= value ? yes : no;
    else if (op === 0x45) at += (held & value) === 0 ? no : yes;
    else throw new Error(`instruction ${op}`);
  }
  throw new Error('the filter has no end');
}

describe('the filter of system calls', () => {
  it('allows what is listed, and of everything else says that it is not there', () => {
    const numbers = Array.from({ length: 600 }, (_, number) => number);
    const allowed = numbers.filter((number) => verdict({ number }) === ALLOW);
    expect(allowed).toEqual(Object.values(ALLOWED).sort((a, b) => a - b));
    const refused = numbers.filter((number) => verdict({ number }) === EPERM);
    const byArgument = [16, 56, 157];
    expect(refused).toEqual([...Object.values(FORBIDDEN), ...byArgument].sort((a, b) => a - b));
    // clone3, io_uring_setup, bpf, memfd_create, keyctl: libraries fall back from these.
    for (const number of [435, 425, 321, 319, 250]) expect(verdict({ number })).toBe(ENOSYS);
  });

  it('lets threads begin, and no process', () => {
    const flags = (flag: number) => verdict({ number: 56, args: [flag] });
    expect(flags(0x003d_0f00)).toBe(ALLOW);
    // SIGCHLD alone; CLONE_VM with CLONE_VFORK; a user namespace.
    for (const flag of [17, 0x4111, 0x1000_0011]) expect(flags(flag)).toBe(EPERM);
  });

  it('looks at what is asked of a descriptor and of the process', () => {
    for (const ask of IOCTLS) expect(verdict({ number: 16, args: [3, ask] })).toBe(ALLOW);
    for (const ask of PRCTLS) expect(verdict({ number: 157, args: [ask] })).toBe(ALLOW);
    // TIOCSTI writes to a terminal; PR_SET_PDEATHSIG undoes the end with the parent.
    expect(verdict({ number: 16, args: [0, 0x5412] })).toBe(EPERM);
    expect(verdict({ number: 157, args: [1, 0] })).toBe(EPERM);
  });

  it('ends what calls as another architecture, and knows no x32', () => {
    expect(verdict({ number: 0, architecture: 0x4000_0003 })).toBe(KILL);
    expect(verdict({ number: 0, architecture: 0xc000_00b7 })).toBe(KILL);
    expect(verdict({ number: 0x4000_0000 })).toBe(ENOSYS);
    expect(verdict({ number: 0xffff_ffff })).toBe(ENOSYS);
  });

  it('is written for x64 alone', () => {
    expect(seccompFilter('arm64')).toBeUndefined();
    expect((seccompFilter('x64')?.length ?? 0) / 8).toBeLessThan(4_096);
  });
});
