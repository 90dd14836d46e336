// SPDX-License-Identifier: Apache-2.0
// The few TPM 2.0 commands that enrolment and quotes need, as raw TCG bytes (TPM 2.0 Library part
// 3). One command at a time, in the order asked. What a TPM answers is data from outside: it is
// bounded, parsed to its end and never believed without a signature.
//
//   command   u16 tag, u32 size, u32 code, handles, [u32 n, sessions], parameters
//   response  u16 tag, u32 size, u32 result, [handle], [u32 n, parameters, sessions] or parameters
//
// A TPM that is starting or busy answers RETRY, YIELDED or TESTING: the command is sent again, with
// growing pauses, until its time is over (part 1, section 10.3; swtpm does so on first use).
import { concat, systemRandom } from '@cloister/core';
import { ALG, encodePcrSelection } from '@cloister/evidence/tpm';
import { attesterError } from '../errors.ts';
import type { Registers } from './registers.ts';
import type { EkProfile } from './templates.ts';
import type { TpmTransport } from './transport.ts';
import { none, ResponseReader, sized, u8, u16, u32 } from './wire.ts';

const NO_SESSIONS = 0x8001;
const SESSIONS = 0x8002;
const RH_NULL = 0x40000007;
const RS_PASSWORD = 0x40000009;
const RH_ENDORSEMENT = 0x4000000b;
const SE_POLICY = 1;
/** TPM_RC_HANDLE for handle 1: the NV index does not exist. */
const RC_NO_SUCH_INDEX = 0x18b;
/** TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING. */
const RC_AGAIN: ReadonlySet<number> = new Set([0x922, 0x908, 0x90a]);
/** Bit 11 of a format-zero code: a warning, which may pass by itself. */
const RC_WARNING = 0x900;

const CODES = {
  createPrimary: 0x131,
  activateCredential: 0x147,
  nvRead: 0x14e,
  policySecret: 0x151,
  quote: 0x158,
  flushContext: 0x165,
  nvReadPublic: 0x169,
  startAuthSession: 0x176,
  pcrRead: 0x17e,
  pcrExtend: 0x182,
} as const;
type Command = keyof typeof CODES;

const TIMEOUT_MS = 20_000;
/** Making an RSA key takes a hardware TPM tens of seconds, minutes at worst. */
const CREATE_TIMEOUT_MS = 180_000;
const RETRY_PAUSE_MS = 5;
const RETRY_PAUSE_MAX_MS = 250;
const NV_CHUNK_BYTES = 512;
/** No certificate is larger; NV areas may be. */
const MAX_CERTIFICATE_BYTES = 8_192;
const NONCE_BYTES = 16;

/** A password session with the empty password. */
const password = concat(u32(RS_PASSWORD), sized(none), u8(0), sized(none));

/** A loaded object: its handle and its TPMT_PUBLIC. */
export interface TpmObject {
  readonly handle: number;
  readonly publicArea: Uint8Array;
}

export interface RawQuote {
  /** TPMS_ATTEST. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
}

/** What the challenger of a credential activation sent (evidence/tpm). */
export interface SealedCredential {
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

/**
 * A TPM 2.0.
 * @throws CodedError from every method: `tpm-unavailable`, `tpm-timeout`, `tpm-response-malformed`,
 *   and `tpm-refused` or `tpm-busy` with the TPM's response code
 */
export class TpmClient {
  readonly #transport: TpmTransport;
  #last: Promise<unknown> = Promise.resolve();

  constructor(transport: TpmTransport) {
    this.#transport = transport;
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Makes a primary key of the endorsement hierarchy; flush it when done. */
  async createPrimary(template: Uint8Array): Promise<TpmObject> {
    const sensitive = sized(concat(sized(none), sized(none)));
    const rest = concat(sensitive, sized(template), sized(none), u32(0));
    const { handle, parameters } = await this.#authorised('createPrimary', {
      handles: [RH_ENDORSEMENT],
      parameters: rest,
      answersHandle: true,
    });
    return { handle, publicArea: parameters.sized() };
  }

  /** Frees a transient object or a session. */
  async flush(handle: number): Promise<void> {
    (await this.#send('flushContext', NO_SESSIONS, u32(handle))).end();
  }

  /** The endorsement certificate, DER, or undefined where the TPM has none of this profile. */
  async ekCertificate(profile: EkProfile): Promise<Uint8Array | undefined> {
    const size = await this.#nvSize(profile.certificate);
    if (size === undefined) return undefined;
    const parts: Uint8Array[] = [];
    for (let at = 0; at < size; at += NV_CHUNK_BYTES) {
      const { parameters } = await this.#authorised('nvRead', {
        handles: [profile.certificate, profile.certificate],
        parameters: concat(u16(Math.min(NV_CHUNK_BYTES, size - at)), u16(at)),
      });
      parts.push(parameters.sized());
    }
    return trimmedDer(concat(...parts));
  }

  /** The secret of a credential, which the EK opens only for the AK that it was made for. */
  async activateCredential(
    keys: { readonly ak: TpmObject; readonly ek: TpmObject; readonly auth: EkProfile['auth'] },
    credential: SealedCredential,
  ): Promise<Uint8Array> {
    const session = keys.auth === 'policy' ? await this.#endorsementSession() : undefined;
    const ekAuth =
      session === undefined ? password : concat(u32(session), sized(none), u8(0), sized(none));
    try {
      const { parameters } = await this.#authorised('activateCredential', {
        handles: [keys.ak.handle, keys.ek.handle],
        sessions: concat(password, ekAuth),
        parameters: concat(credential.credentialBlob, credential.encryptedSecret),
      });
      return parameters.sized();
    } catch (error) {
      // A session that did its work is gone by itself; one whose command failed is not.
      if (session !== undefined) await this.flush(session).catch(() => undefined);
      throw error;
    }
  }

  /** Extends a register of the SHA-256 bank. */
  async extend(index: number, digest: Uint8Array): Promise<void> {
    const parameters = concat(u32(1), u16(ALG.sha256), digest);
    await this.#authorised('pcrExtend', { handles: [index], parameters });
  }

  /** Reads registers of the SHA-256 bank; a TPM gives at most eight at a time. */
  async registers(indexes: readonly number[]): Promise<Registers> {
    const out = new Map<number, Uint8Array>();
    let wanted = [...indexes].sort((a, b) => a - b);
    while (wanted.length > 0) {
      const selection = encodePcrSelection(ALG.sha256, wanted);
      const reader = await this.#send('pcrRead', NO_SESSIONS, selection);
      reader.u32();
      const given = selectedIn(reader.bytes(selection.length));
      const count = reader.u32();
      if (count === 0 || count !== given.length || given.some((i) => !wanted.includes(i))) {
        const got = given.join() || 'none';
        const message = `wanted registers ${wanted.join()} of SHA-256, got ${got}`;
        throw attesterError('tpm-response-malformed', message);
      }
      for (const index of given) out.set(index, reader.sized());
      reader.end();
      wanted = wanted.filter((index) => !out.has(index));
    }
    return new Map([...out].sort(([a], [b]) => a - b));
  }

  /** Signs the selected registers of the SHA-256 bank over `qualifyingData`. */
  async quote(
    ak: TpmObject,
    indexes: readonly number[],
    qualifyingData: Uint8Array,
  ): Promise<RawQuote> {
    const selection = encodePcrSelection(ALG.sha256, indexes);
    const { parameters } = await this.#authorised('quote', {
      handles: [ak.handle],
      parameters: concat(sized(qualifyingData), u16(ALG.null), selection),
    });
    return { attest: parameters.sized(), signature: parameters.rest() };
  }

  async #nvSize(index: number): Promise<number | undefined> {
    try {
      const reader = await this.#send('nvReadPublic', NO_SESSIONS, u32(index));
      const area = new ResponseReader(reader.sized(), 'nvReadPublic');
      area.bytes(10);
      area.sized();
      const size = area.u16();
      if (size <= MAX_CERTIFICATE_BYTES) return size;
      const message = `NV index 0x${index.toString(16)}: ${size} bytes are no certificate`;
      throw attesterError('tpm-response-malformed', message);
    } catch (error) {
      if (responseCodeOf(error) === RC_NO_SUCH_INDEX) return undefined;
      throw error;
    }
  }

  /** A policy session that satisfies PolicySecret(endorsement) under the empty password. */
  async #endorsementSession(): Promise<number> {
    const nonce = systemRandom.bytes(NONCE_BYTES);
    const start = concat(u32(RH_NULL), u32(RH_NULL), sized(nonce), sized(none));
    const form = concat(u8(SE_POLICY), u16(ALG.null), u16(ALG.sha256));
    const made = await this.#send('startAuthSession', NO_SESSIONS, concat(start, form));
    const session = made.u32();
    const parameters = concat(sized(none), sized(none), sized(none), u32(0));
    await this.#authorised('policySecret', { handles: [RH_ENDORSEMENT, session], parameters });
    return session;
  }

  /** A command with authorisations (the empty password if nothing else is said). */
  async #authorised(
    command: Command,
    of: {
      readonly handles: readonly number[];
      readonly sessions?: Uint8Array;
      readonly parameters: Uint8Array;
      readonly answersHandle?: boolean;
    },
  ): Promise<{ handle: number; parameters: ResponseReader }> {
    // One authorisation a handle that wants one; NV indexes name the same handle twice.
    const sessions = of.sessions ?? password;
    const head = concat(...of.handles.map(u32), u32(sessions.length), sessions);
    const reader = await this.#send(command, SESSIONS, concat(head, of.parameters));
    const handle = of.answersHandle === true ? reader.u32() : 0;
    return { handle, parameters: new ResponseReader(reader.bytes(reader.u32()), command) };
  }

  /** Sends after whatever was asked before; answers a reader behind the header. */
  #send(command: Command, tag: number, body: Uint8Array): Promise<ResponseReader> {
    const turn = this.#last.then(() => this.#exchange(command, tag, body));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #exchange(command: Command, tag: number, body: Uint8Array): Promise<ResponseReader> {
    const bytes = concat(u16(tag), u32(10 + body.length), u32(CODES[command]), body);
    const limit = command === 'createPrimary' ? CREATE_TIMEOUT_MS : TIMEOUT_MS;
    const end = performance.now() + limit;
    for (let pause = RETRY_PAUSE_MS; ; pause = Math.min(2 * pause, RETRY_PAUSE_MAX_MS)) {
      const left = Math.max(1, Math.ceil(end - performance.now()));
      const answer = await this.#transport.transmit(bytes, left);
      const reader = new ResponseReader(answer, command);
      reader.bytes(6);
      const result = reader.u32();
      if (result === 0) return reader;
      if (!RC_AGAIN.has(result) || performance.now() + pause >= end) {
        throw refused(command, result);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

function refused(command: Command, result: number) {
  const code = (result & 0xf80) === RC_WARNING ? 'tpm-busy' : 'tpm-refused';
  const message = `the TPM refuses ${command}: response code 0x${result.toString(16)}`;
  return attesterError(code, message, { details: { command, result } });
}

/** The TPM's response code of a `tpm-refused`. */
export function responseCodeOf(error: unknown): number | undefined {
  const { code, details } = (error ?? {}) as { code?: string; details?: { result?: number } };
  return code === 'tpm-refused' ? details?.result : undefined;
}

/** Indexes in a TPML_PCR_SELECTION of one bank. */
function selectedIn(selection: Uint8Array): number[] {
  const mask = selection.subarray(7);
  return Array.from({ length: mask.length * 8 }, (_, i) => i).filter(
    (i) => (((mask[i >> 3] as number) >> (i & 7)) & 1) === 1,
  );
}

/** NV areas may be larger than the certificate in them: what follows its DER is cut off. */
function trimmedDer(bytes: Uint8Array): Uint8Array {
  const [tag, form, high = 0, low = 0] = bytes;
  if (tag !== 0x30 || form !== 0x82) {
    const message = 'the endorsement certificate in NV is no DER certificate';
    throw attesterError('tpm-response-malformed', message);
  }
  return bytes.slice(0, 4 + high * 256 + low);
}
