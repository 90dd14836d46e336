// SPDX-License-Identifier: Apache-2.0
// For tests: a software TPM (swtpm) with an endorsement certificate of its own CA, and a client
// that speaks the few TPM 2.0 commands that quotes and credential activation need, as raw TCG bytes
// over a unix socket (TPM 2.0 Library part 3). One command at a time; the caller closes it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { concat, fromHex } from '@cloister/core';
import { FieldReader } from '../bytes.ts';
import { parsePem } from '../x509/pem.ts';
import { ALG, ATTRIBUTE } from './constants.ts';

const NO_SESSIONS = 0x8001;
const SESSIONS = 0x8002;
const RH_NULL = 0x40000007;
const RS_PW = 0x40000009;
const RH_ENDORSEMENT = 0x4000000b;
const RC_RETRY = 0x922;
const NV_EK_CERTIFICATE = 0x01c00002;
const CC = {
  createPrimary: 0x131,
  activateCredential: 0x147,
  nvRead: 0x14e,
  policySecret: 0x151,
  quote: 0x158,
  nvReadPublic: 0x169,
  startAuthSession: 0x176,
  pcrRead: 0x17e,
  pcrExtend: 0x182,
} as const;
const DEADLINE_MS = 10_000;

const u8 = (n: number): Uint8Array => Uint8Array.of(n);
const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
const u32 = (n: number): Uint8Array => concat(u16(n >>> 16), u16(n & 0xffff));
const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);
const none = new Uint8Array(0);
/** A password session with the empty password. */
const password = concat(u32(RS_PW), sized(none), u8(0), sized(none));

/** Policy of the default EK template: PolicySecret(endorsement) (TCG EK profile, B.3.3). */
const EK_POLICY = fromHex('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa');
const EK_TEMPLATE = concat(
  u16(ALG.rsa),
  u16(ALG.sha256),
  u32(0x000300b2),
  sized(EK_POLICY),
  u16(ALG.aes),
  u16(128),
  u16(ALG.cfb),
  u16(ALG.null),
  u16(2048),
  u32(0),
  sized(new Uint8Array(256)),
);
const USER_WITH_AUTH = 1 << 6;

function akTemplate(attributes: number): Uint8Array {
  const scheme = concat(u16(ALG.rsassa), u16(ALG.sha256));
  const head = concat(u16(ALG.rsa), u16(ALG.sha256), u32(attributes), sized(none), u16(ALG.null));
  return concat(head, scheme, u16(2048), u32(0), sized(none));
}

export const AK_ATTRIBUTES =
  ATTRIBUTE.fixedTpm |
  ATTRIBUTE.fixedParent |
  ATTRIBUTE.sensitiveDataOrigin |
  ATTRIBUTE.restricted |
  ATTRIBUTE.sign |
  USER_WITH_AUTH;

export interface TpmObject {
  readonly handle: number;
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
}

/** The first eight PCRs of the SHA-256 bank. */
const SELECTION = concat(u32(1), u16(ALG.sha256), u8(3), Uint8Array.of(0xff, 0, 0));

export class TestTpm {
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  #pending: { bytes: Uint8Array; resolve: (answer: Uint8Array) => void } | undefined;
  /** DER: the CA that issued the endorsement certificate, its root last. */
  readonly issuers: readonly Uint8Array[];

  private constructor(process: ChildProcess, socket: Socket, issuers: readonly Uint8Array[]) {
    this.#process = process;
    this.#socket = socket;
    this.issuers = issuers;
    socket.on('data', (data) => this.#receive(data));
  }

  /** Makes a TPM in `folder` and starts it. */
  static async start(folder: string, programs: { swtpm: string; setup: string }): Promise<TestTpm> {
    const state = join(folder, 'state');
    const ca = join(folder, 'ca');
    for (const made of [state, ca]) mkdirSync(made, { recursive: true });
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const caConf = file(
      'ca.conf',
      [
        `statedir = ${ca}`,
        `signingkey = ${ca}/key.pem`,
        `issuercert = ${ca}/issuer.pem`,
        `certserial = ${ca}/serial`,
      ].join('\n'),
    );
    const options = file('ca.options', '--platform-manufacturer Test\n');
    const tool = 'create_certs_tool';
    const setupConf = file(
      'setup.conf',
      `${tool} = swtpm_localca\n${tool}_config = ${caConf}\n${tool}_options = ${options}\n`,
    );
    const flags = ['--tpm2', '--tpmstate', state, '--config', setupConf, '--create-ek-cert'];
    execFileSync(programs.setup, [...flags, '--overwrite'], { stdio: 'pipe', timeout: 60_000 });
    const path = join(folder, 'tpm.sock');
    const control = `type=unixio,path=${join(folder, 'ctrl.sock')}`;
    const server = ['--server', `type=unixio,path=${path}`, '--ctrl', control];
    const args = ['socket', '--tpm2', '--tpmstate', `dir=${state}`, ...server];
    const child = spawn(programs.swtpm, [...args, '--flags', 'not-need-init,startup-clear'], {
      stdio: 'ignore',
    });
    const socket = await connected(path);
    const pem = (name: string) => parsePem(new Uint8Array(readFileSync(join(ca, name))));
    const issuers = [...pem('issuer.pem'), ...pem('swtpm-localca-rootca-cert.pem')];
    return new TestTpm(child, socket, issuers);
  }

  close(): void {
    this.#socket.destroy();
    this.#process.kill('SIGKILL');
  }

  #receive(data: Uint8Array): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    pending.bytes = concat(pending.bytes, data);
    const { bytes } = pending;
    if (bytes.length < 10) return;
    const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2);
    if (bytes.length < size) return;
    this.#pending = undefined;
    pending.resolve(bytes);
  }

  async #send(tag: number, code: number, body: Uint8Array): Promise<FieldReader> {
    for (;;) {
      const answer = await new Promise<Uint8Array>((resolve, reject) => {
        this.#pending = { bytes: none, resolve };
        setTimeout(() => reject(new Error('the TPM does not answer')), DEADLINE_MS).unref();
        this.#socket.write(concat(u16(tag), u32(10 + body.length), u32(code), body));
      });
      const reader = new FieldReader(answer, 'TPM response');
      reader.bytes(6);
      const result = reader.u32be();
      if (result === 0) return reader;
      if (result !== RC_RETRY) throw new Error(`TPM command ${code}: 0x${result.toString(16)}`);
    }
  }

  /** A command with sessions; answers a reader of its parameters. */
  async #authorised(
    code: number,
    handles: readonly number[],
    sessions: Uint8Array,
    parameters: Uint8Array,
    answersHandle = false,
  ): Promise<{ handle: number; parameters: FieldReader }> {
    const head = concat(...handles.map(u32), u32(sessions.length), sessions);
    const reader = await this.#send(SESSIONS, code, concat(head, parameters));
    const handle = answersHandle ? reader.u32be() : 0;
    return { handle, parameters: new FieldReader(reader.bytes(reader.u32be()), 'TPM parameters') };
  }

  async #createPrimary(template: Uint8Array): Promise<TpmObject> {
    const sensitive = sized(concat(sized(none), sized(none)));
    const parameters = concat(sensitive, sized(template), sized(none), u32(0));
    const made = await this.#authorised(
      CC.createPrimary,
      [RH_ENDORSEMENT],
      password,
      parameters,
      true,
    );
    return {
      handle: made.handle,
      publicArea: made.parameters.bytes(made.parameters.u16be()).slice(),
    };
  }

  createEk(): Promise<TpmObject> {
    return this.#createPrimary(EK_TEMPLATE);
  }

  createAk(attributes: number = AK_ATTRIBUTES): Promise<TpmObject> {
    return this.#createPrimary(akTemplate(attributes));
  }

  /** The endorsement certificate, DER. */
  async ekCertificate(): Promise<Uint8Array> {
    const info = await this.#send(NO_SESSIONS, CC.nvReadPublic, u32(NV_EK_CERTIFICATE));
    const area = info.sub(info.u16be());
    area.bytes(10);
    area.bytes(area.u16be());
    const size = area.u16be();
    const out: Uint8Array[] = [];
    for (let at = 0; at < size; at += 512) {
      const parameters = concat(u16(Math.min(512, size - at)), u16(at));
      const handles = [NV_EK_CERTIFICATE, NV_EK_CERTIFICATE];
      const read = await this.#authorised(CC.nvRead, handles, password, parameters);
      out.push(read.parameters.bytes(read.parameters.u16be()).slice());
    }
    return concat(...out);
  }

  /** The secret of a challenge, opened by the EK for the AK. */
  async activate(
    ak: TpmObject,
    ek: TpmObject,
    challenge: { readonly credentialBlob: Uint8Array; readonly encryptedSecret: Uint8Array },
  ): Promise<Uint8Array> {
    const start = concat(u32(RH_NULL), u32(RH_NULL), sized(new Uint8Array(16)), sized(none));
    const policy = concat(u8(1), u16(ALG.null), u16(ALG.sha256));
    const session = (
      await this.#send(NO_SESSIONS, CC.startAuthSession, concat(start, policy))
    ).u32be();
    const secret = concat(sized(none), sized(none), sized(none), u32(0));
    await this.#authorised(CC.policySecret, [RH_ENDORSEMENT, session], password, secret);
    const sessions = concat(password, u32(session), sized(none), u8(0), sized(none));
    const blobs = concat(challenge.credentialBlob, challenge.encryptedSecret);
    const handles = [ak.handle, ek.handle];
    const { parameters } = await this.#authorised(CC.activateCredential, handles, sessions, blobs);
    return parameters.bytes(parameters.u16be()).slice();
  }

  async extend(pcr: number, digest: Uint8Array): Promise<void> {
    const values = concat(u32(1), u16(ALG.sha256), digest);
    await this.#authorised(CC.pcrExtend, [pcr], password, values);
  }

  /** PCRs 0 to 7, SHA-256. */
  async pcrs(): Promise<Uint8Array[]> {
    const reader = await this.#send(NO_SESSIONS, CC.pcrRead, SELECTION);
    reader.bytes(4 + SELECTION.length);
    const count = reader.u32be();
    return Array.from({ length: count }, () => reader.bytes(reader.u16be()).slice());
  }

  /** TPMS_ATTEST and TPMT_SIGNATURE over PCRs 0 to 7. */
  async quote(
    ak: TpmObject,
    qualifyingData: Uint8Array,
  ): Promise<{ attest: Uint8Array; signature: Uint8Array }> {
    const parameters = concat(sized(qualifyingData), u16(ALG.null), SELECTION);
    const answer = await this.#authorised(CC.quote, [ak.handle], password, parameters);
    const attest = answer.parameters.bytes(answer.parameters.u16be()).slice();
    return { attest, signature: answer.parameters.rest().slice() };
  }
}

async function connected(path: string): Promise<Socket> {
  const end = Date.now() + DEADLINE_MS;
  while (Date.now() < end) {
    if (existsSync(path)) {
      const socket = connect(path);
      const open = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      });
      if (open) return socket;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('swtpm did not open its socket');
}

/** Removes what `start` made. */
export function removeTpm(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
