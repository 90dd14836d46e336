// SPDX-License-Identifier: Apache-2.0
// The system call filter as the kernel reads it: a program of classic BPF over `struct
// seccomp_data` (linux/seccomp.h: number at 0, architecture at 4, the low halves of the arguments
// from 16, 8 bytes each), 8 bytes an instruction (linux/filter.h).
//
// Invariants: another architecture's call, whose numbers mean other things, ends the process; a
// number that is not named is refused; no jump leaves the program (each verdict is where the
// comparison stands, so that no distance grows with the list).
import {
  ALLOWED,
  CLONE,
  CLONE_THREAD,
  FORBIDDEN,
  IOCTL,
  IOCTLS,
  PRCTL,
  PRCTLS,
} from './syscalls.ts';

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const ERRNO = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;

const NUMBER_AT = 0;
const ARCHITECTURE_AT = 4;
const FIRST_ARGUMENT_AT = 16;
const SECOND_ARGUMENT_AT = 24;
const X86_64 = 0xc000_003e;
/** Numbers from here on are of the x32 interface. */
const X32 = 0x4000_0000;

type Instruction = readonly [code: number, yes: number, no: number, value: number];

const load = (at: number): Instruction => [LOAD, 0, 0, at];
const answer = (verdict: number): Instruction => [RETURN, 0, 0, verdict];
/** Answers where the loaded value is this one, goes on where not. */
const where = (value: number, verdict: number): Instruction[] => [
  [JUMP_EQUAL, 0, 1, value],
  answer(verdict),
];

/** A call that is allowed for some values of an argument. */
function byArgument(number: number, at: number, values: readonly number[]): Instruction[] {
  const block = [
    load(at),
    ...values.flatMap((value) => where(value, ALLOW)),
    answer(ERRNO | EPERM),
  ];
  return [[JUMP_EQUAL, 0, block.length, number], ...block];
}

function program(): Instruction[] {
  return [
    load(ARCHITECTURE_AT),
    [JUMP_EQUAL, 1, 0, X86_64],
    answer(KILL_PROCESS),
    load(NUMBER_AT),
    [JUMP_AT_LEAST, 0, 1, X32],
    answer(ERRNO | ENOSYS),
    ...Object.values(ALLOWED).flatMap((number) => where(number, ALLOW)),
    // What a block has loaded is no number any more, but no block goes on.
    ...byArgument(IOCTL, SECOND_ARGUMENT_AT, IOCTLS),
    ...byArgument(PRCTL, FIRST_ARGUMENT_AT, PRCTLS),
    [JUMP_EQUAL, 0, 4, CLONE],
    load(FIRST_ARGUMENT_AT),
    [JUMP_ANY_BIT, 0, 1, CLONE_THREAD],
    answer(ALLOW),
    answer(ERRNO | EPERM),
    ...Object.values(FORBIDDEN).flatMap((number) => where(number, ERRNO | EPERM)),
    answer(ERRNO | ENOSYS),
  ];
}

/** The filter for a machine (`process.arch`); undefined where none is written for it. */
export function seccompFilter(machine: string): Uint8Array | undefined {
  if (machine !== 'x64') return undefined;
  const instructions = program();
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, [code, yes, no, value]] of instructions.entries()) {
    view.setUint16(at * 8, code, true);
    view.setUint8(at * 8 + 2, yes);
    view.setUint8(at * 8 + 3, no);
    view.setUint32(at * 8 + 4, value >>> 0, true);
  }
  return bytes;
}
