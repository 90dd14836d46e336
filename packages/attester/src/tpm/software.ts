// SPDX-License-Identifier: Apache-2.0
// A software TPM (swtpm) in a folder: SIMULATED. Its secrets are files, so it protects nothing; it
// speaks the TPM's own protocol, so that everything else is what a TPM on a board meets.
//
//   ca/      the authority that certifies its endorsement keys (swtpm_localca), made for this TPM
//   state/   the TPM itself: seeds, NV memory                           (the folder has mode 0700)
//
// It is started on an inherited socket pair: no path, no port, nobody else can speak to it, and it
// ends by itself when whoever started it is gone. Each start is a boot: registers begin at zero and
// the reset counter goes up.
import { spawn } from 'node:child_process';
import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fromHex, isCoded } from '@cloister/core';
import { attesterError } from '../errors.ts';
import { TpmClient } from './client.ts';
import { streamTransport } from './transport.ts';

const SETUP_MS = 60_000;
const STOP_MS = 2_000;
const MAX_ERROR_TEXT = 2_000;
/** TPM2_Shutdown(TPM_SU_CLEAR). */
const SHUTDOWN_CLEAR = fromHex('80010000000c000001450000');
const INSTALL = 'install swtpm and swtpm-tools (Debian: apt-get install swtpm swtpm-tools)';

/** The programs that make and run a software TPM, by path. */
export interface SoftwareTpmPrograms {
  readonly swtpm: string;
  readonly setup: string;
  readonly localCa: string;
}

/**
 * Looks in `folders`, by default those of PATH.
 * @throws CodedError `tpm-software-missing`, which says what to install
 */
export async function findSoftwareTpm(
  folders: readonly string[] = (process.env['PATH'] ?? '').split(delimiter),
): Promise<SoftwareTpmPrograms> {
  const find = async (name: string): Promise<string> => {
    for (const folder of folders.filter((f) => f.startsWith('/'))) {
      const file = join(folder, name);
      if (await executable(file)) return file;
    }
    throw attesterError('tpm-software-missing', `${name} is not here: ${INSTALL}`);
  };
  return {
    swtpm: await find('swtpm'),
    setup: await find('swtpm_setup'),
    localCa: await find('swtpm_localca'),
  };
}

function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Makes a TPM with endorsement keys, and their certificates under an authority of its own.
 * Answers the authority's certificates, PEM: its root and the issuer under it.
 * @throws CodedError `tpm-software-missing`, `tpm-software-failed`
 */
export async function createSoftwareTpm(
  folder: string,
  programs?: SoftwareTpmPrograms,
): Promise<Uint8Array[]> {
  const { setup, localCa } = programs ?? (await findSoftwareTpm());
  const [ca, state] = [join(folder, 'ca'), join(folder, 'state')];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const made of [ca, state]) await mkdir(made, { mode: 0o700 });
  const config = join(folder, 'setup.conf');
  const authority = join(folder, 'ca.conf');
  const options = join(folder, 'ca.options');
  const keys = { signingkey: 'key.pem', issuercert: 'issuer.pem', certserial: 'serial' };
  const lines = Object.entries(keys).map(([name, file]) => `${name} = ${join(ca, file)}`);
  await writeFile(authority, [`statedir = ${ca}`, ...lines, ''].join('\n'));
  await writeFile(options, '--platform-manufacturer Cloister\n');
  const tool = 'create_certs_tool';
  await writeFile(
    config,
    [
      `${tool} = ${localCa}`,
      `${tool}_config = ${authority}`,
      `${tool}_options = ${options}`,
      '',
    ].join('\n'),
  );
  await runSetup(setup, ['--tpmstate', state, '--config', config]);
  const root = await readFile(join(ca, 'swtpm-localca-rootca-cert.pem'));
  return [new Uint8Array(root), new Uint8Array(await readFile(join(ca, 'issuer.pem')))];
}

async function runSetup(program: string, args: readonly string[]): Promise<void> {
  const flags = ['--tpm2', '--create-ek-cert', '--pcr-banks', 'sha256'];
  const child = spawn(program, [...flags, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece: Buffer) => {
      said = (said + piece.toString()).slice(-MAX_ERROR_TEXT);
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), SETUP_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  clearTimeout(timer);
  if (code === 0) return;
  const last = said.trim().split('\n').at(-1) ?? '';
  throw attesterError('tpm-software-failed', `swtpm_setup failed: ${last}`);
}

/** A software TPM that runs. */
export interface SoftwareTpm {
  readonly pid: number;
  readonly stream: Duplex;
  /** Closes the connection, upon which it ends; by its pid after `graceMs` (2 s). Idempotent. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Boots the TPM of a folder; the caller stops it.
 * @throws CodedError `tpm-software-missing`, `tpm-software-failed`
 */
export async function startSoftwareTpm(
  folder: string,
  programs?: SoftwareTpmPrograms,
): Promise<SoftwareTpm> {
  const { swtpm } = programs ?? (await findSoftwareTpm());
  const state = join(folder, 'state');
  const args = ['socket', '--tpm2', '--tpmstate', `dir=${state}`, '--fd', '3'];
  const child = spawn(swtpm, [...args, '--flags', 'not-need-init,startup-clear'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const stream = child.stdio[3] as Duplex | null | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  if (child.pid === undefined || stream === null || stream === undefined) {
    throw attesterError('tpm-software-failed', `${swtpm} could not be started`);
  }
  stream.on('error', () => undefined);
  const stop = async (graceMs = STOP_MS) => {
    stream.destroy();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(timer);
  };
  return { pid: child.pid, stream, stop };
}

/**
 * Boots the TPM of a folder and speaks to it; closing the client shuts it down and ends it.
 * @throws CodedError `tpm-software-missing`, `tpm-software-failed` (also where it runs already)
 */
export async function bootSoftwareTpm(
  folder: string,
  programs?: SoftwareTpmPrograms,
): Promise<TpmClient> {
  const { stream, stop } = await startSoftwareTpm(folder, programs);
  const transport = streamTransport(stream);
  const shutDown = async () => {
    // A TPM that loses power without it counts a failed authorisation, and locks itself in the end.
    await transport.transmit(SHUTDOWN_CLEAR, STOP_MS).catch(() => undefined);
    await stop();
  };
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= shutDown();
    return closing;
  };
  const tpm = new TpmClient({ ...transport, close });
  try {
    await tpm.registers([0]);
    return tpm;
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    await close();
    const message = `swtpm does not run on ${folder}: it serves one node at a time`;
    throw attesterError('tpm-software-failed', message, { cause });
  }
}
