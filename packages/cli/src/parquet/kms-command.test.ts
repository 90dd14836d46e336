// SPDX-License-Identifier: Apache-2.0
// A key service as a program: files are sealed and opened without a master key in our hands, keys
// are in no argument and in no environment, and a program that refuses, lies, babbles, hangs or
// dies is a code.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { kmsProgram } from './kms-command.ts';

let folder: string;
let programs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-kms-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A program whose answer to a request `r` is the line that `answer` gives. */
async function program(answer: string): Promise<string> {
  const path = join(folder, `kms-${programs++}.cjs`);
  await writeFile(
    path,
    `#!${process.execPath}
    const lines = require('node:readline').createInterface({ input: process.stdin });
    lines.on('line', (line) => { const r = JSON.parse(line); ${answer} });
    function say(value) { process.stdout.write(JSON.stringify(value) + '\\n'); }`,
  );
  await chmod(path, 0o700);
  return path;
}

async function kms(answer: string, answerMs?: number) {
  const made = kmsProgram(await program(answer), answerMs);
  onTestFinished(() => made.close());
  return made;
}

const SECRET = new Uint8Array(32).fill(0x5e);
const text = Buffer.from(SECRET).toString('base64');
const WRAPS = `say(r.op === 'wrap' ? { wrapped: 'w' + r.masterKeyId + r.key }
  : { key: r.wrapped.slice(1 + r.masterKeyId.length) });`;

it('wraps and unwraps, many at a time, in one process', async () => {
  const service = await kms(WRAPS);
  const wrapped = await Promise.all(['a', 'b', 'a'].map((id) => service.wrap(id, SECRET)));
  expect(wrapped).toEqual([`wa${text}`, `wb${text}`, `wa${text}`]);
  const keys = await Promise.all(wrapped.map((one, at) => service.unwrap('aba'[at] ?? '', one)));
  for (const key of keys) expect(key).toEqual(SECRET);
});

it('keys are in no argument and in no environment', async () => {
  const out = join(folder, 'seen');
  const service = await kms(`require('node:fs').writeFileSync(${JSON.stringify(out)},
    JSON.stringify([process.argv, process.env])); ${WRAPS}`);
  await service.wrap('a', SECRET);
  const seen = await readFile(out, 'utf8');
  expect(seen).toContain('kms-');
  expect(seen).not.toContain(text);
  expect(JSON.parse(seen)[0]).toHaveLength(2);
});

it.each([
  ['refuses', `say({ error: 'no such key: ' + (r.key ?? r.wrapped) });`, 'kms-refused'],
  ['answers no JSON', `process.stdout.write('${text}\\n');`, 'kms-answer-malformed'],
  ['answers another object', 'say({ secret: r.key });', 'kms-answer-malformed'],
  ['answers a number', 'say(7);', 'kms-answer-malformed'],
  ['gives a key that is none', `say({ key: 'AAAA', wrapped: '' });`, 'kms-answer-malformed'],
  ['gives no base64', `say({ key: '%%', wrapped: 7 });`, 'kms-answer-malformed'],
  ['never ends a line', `process.stdout.write('x'.repeat(100000));`, 'kms-answer-malformed'],
  ['ends', 'process.exit(3);', 'kms-unreachable'],
  ['is killed', `process.kill(process.pid, 'SIGKILL');`, 'kms-unreachable'],
])('a program that %s is told by a code, without what it said', async (_how, answer, code) => {
  for (const op of ['wrap', 'unwrap'] as const) {
    const service = await kms(answer);
    const asked = op === 'wrap' ? service.wrap('a', SECRET) : service.unwrap('a', text);
    const error: unknown = await asked.catch((thrown: unknown) => thrown);
    expect([op, error]).toMatchObject([op, { code }]);
    const { message, cause } = error as Error;
    expect(`${message} ${cause}`).not.toContain(text.slice(0, 8));
  }
});

it('a program that says more than it is asked is not believed', async () => {
  const service = await kms(`say({ wrapped: 'one' }); say({ wrapped: 'two' });`);
  const first = await service.wrap('a', SECRET).catch((error: unknown) => error);
  if (first === 'one') await new Promise((resolve) => setTimeout(resolve, 100));
  const second = service.wrap('a', SECRET);
  await expect(second).rejects.toMatchObject({ code: 'kms-answer-malformed' });
});

it('one that is silent is not waited for, and one that is not there is said', async () => {
  const silent = await kms('', 300);
  await expect(silent.wrap('a', SECRET)).rejects.toMatchObject({ code: 'kms-unreachable' });
  await expect(silent.wrap('a', SECRET)).rejects.toMatchObject({ code: 'kms-unreachable' });
  const nowhere = kmsProgram(join(folder, 'nowhere'));
  await expect(nowhere.wrap('a', SECRET)).rejects.toMatchObject({
    code: 'kms-unreachable',
    message: expect.stringContaining('ENOENT'),
  });
  await expect(nowhere.unwrap('a', 'x')).rejects.toMatchObject({ code: 'kms-unreachable' });
  await nowhere.close();
});
