// SPDX-License-Identifier: Apache-2.0
// A program that tries what a caged one must not be able to do, and tells on descriptor 3 what
// succeeded. What it looks for is its argument, or lies in its folder: it knows more than a real
// one would, its parent's id, where a key file lies, a port. Harmless where it succeeds: signal 0,
// bytes that are read and dropped, files that are removed.
// @ts-check
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { dirname, join } from 'node:path';

/** @type {{ parent: number, key: string, port: number, given: string, outside: string }} */
const at = JSON.parse(process.argv[2] ?? fs.readFileSync('in/0', 'utf8'));
const MIB = 2 ** 20;
const SLEEP = '/bin/sleep';

/** @param {boolean} done */
function must(done) {
  if (!done) throw new Error('no');
}

/** @param {string} path the first bytes of memory that is mapped to be written */
function readMemory(path) {
  const line = fs
    .readFileSync(join(dirname(path), 'maps'), 'latin1')
    .split('\n')
    .find((text) => text.includes(' rw-p '));
  const bytes = Buffer.alloc(16);
  const file = fs.openSync(path, 'r');
  try {
    must(fs.readSync(file, bytes, 0, 16, BigInt(`0x${line?.split('-')[0]}`)) === 16);
  } finally {
    fs.closeSync(file);
  }
}

/** More than the 2 MiB of its folder, or of one file, anywhere. @param {string} folder */
function fill(folder) {
  const made = [];
  try {
    for (let i = 0; i < 16; i += 1) {
      const path = join(folder, `fill-${process.pid}-${i}`);
      made.push(path);
      fs.writeFileSync(path, Buffer.alloc(MIB / 2));
    }
  } finally {
    for (const path of made) fs.rmSync(path, { force: true });
  }
}

/** @param {import('node:net').Socket | import('node:net').Server} one @param {string} event */
function happens(one, event) {
  return new Promise((resolve, reject) => {
    one.once('error', reject);
    one.once(event, resolve);
  }).finally(() => ('destroy' in one ? one.destroy() : one.close()));
}

async function startMany() {
  const many = [];
  try {
    for (let i = 0; i < 1_000; i += 1) {
      const [program, args] = fs.existsSync(SLEEP)
        ? [SLEEP, ['60']]
        : [process.execPath, ['-e', 'setTimeout(() => 0, 60000)']];
      const one = spawn(program, args, { stdio: 'inherit' });
      many.push(one);
      await happensToStart(one);
    }
  } finally {
    for (const one of many) one.kill('SIGKILL');
  }
}

/** @param {import('node:child_process').ChildProcess} one */
function happensToStart(one) {
  return new Promise((resolve, reject) => {
    one.once('error', reject);
    one.once('spawn', () => resolve(undefined));
  });
}

/** @type {Readonly<Record<string, () => unknown>>} */
const ATTEMPTS = {
  'reads the environment of its parent': () =>
    must(fs.readFileSync(`/proc/${at.parent}/environ`).length > 0),
  'reads the memory of its parent': () => readMemory(`/proc/${at.parent}/mem`),
  'sees other processes': () =>
    must(fs.readdirSync('/proc').some((name) => /^\d+$/.test(name) && +name !== process.pid)),
  'signals its parent': () => must(process.kill(at.parent, 0)),
  'reads a key file': () => must(fs.readFileSync(at.key).length > 0),
  'lists folders that it was not given': () => must(fs.readdirSync('/etc').length > 1),
  'writes outside its folder': () => {
    fs.writeFileSync(at.outside, 'x');
    fs.rmSync(at.outside);
  },
  'changes what it was given to read': () => fs.appendFileSync(at.given, 'x'),
  'fills the disk in its folder': () => fill(process.cwd()),
  'fills the disk beside its folder': () => fill(dirname(process.cwd())),
  'fills the memory of the machine': () => fill('/dev/shm'),
  'takes more memory than its limit': () => {
    const held = [];
    for (let i = 0; i < 64; i += 1) held.push(Buffer.alloc(64 * MIB, 1));
    must(held.length === 64);
  },
  'connects to a port of this machine': () => happens(dial(at.port, '127.0.0.1'), 'connect'),
  'opens a port': () => happens(createServer().listen(0, '127.0.0.1'), 'listening'),
  'starts a program': () =>
    must(spawnSync(process.execPath, ['-e', '0'], { stdio: 'inherit' }).status === 0),
  'starts 1,000 processes': startMany,
};

const succeeded = [];
for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  try {
    await attempt();
    succeeded.push(name);
  } catch {
    // Refused: that is what a cage is for.
  }
}
fs.writeSync(3, JSON.stringify({ tried: Object.keys(ATTEMPTS).length, succeeded }));
process.exit(0);
