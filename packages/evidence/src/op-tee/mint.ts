// SPDX-License-Identifier: Apache-2.0
// Mints OP-TEE evidence under a development device key (RSA of 2,048 bits; devices default to
// 3,072). `measurement` is the digest of the caller's memory; the hardware id follows from the key.
import { concat, encodeCbor } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { evidenceError } from '../errors.ts';
import { mintKey, mintSign, publicOf } from '../mint/keys.ts';
import { checkedRequest } from '../mint/request.ts';
import type { DevelopmentRoot, DevelopmentRootOptions, MintRequest } from '../mint/types.ts';
import { rootFromKey } from '../roots/make.ts';
import { COMMANDS, type OpteeCommand, SCHEME, UUID_BYTES } from './constants.ts';
import { opteeNonce } from './parse.ts';

/** UUID that minted evidence carries where the request names none. */
const DEVELOPMENT_UUID = new Uint8Array(UUID_BYTES).fill(0xc1);

export function createOpteeRoot(options: DevelopmentRootOptions): DevelopmentRoot {
  const device = mintKey('rsa2048', 'op-tee/device', options.seed);
  const root = rootFromKey(nodeCrypto, publicOf(device), {
    family: `op-tee:${options.enrolledBy ?? 'development'}`,
    kinds: ['op-tee'],
    trust: 'simulated',
    source: 'a development device of this project',
  });
  return { kind: 'op-tee', root, subject: 'op-tee', keys: { device }, certificates: {} };
}

export interface OpteeMintRequest extends MintRequest {
  /** Default `ta-memory`. */
  readonly command?: OpteeCommand;
  /** 16 bytes. */
  readonly uuid?: Uint8Array;
}

/** Evidence bytes of kind `op-tee`. @throws CodedError `mint-usage` */
export function mintOptee(request: OpteeMintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'op-tee');
  const { root, measurement, reportData, command = 'ta-memory', uuid = DEVELOPMENT_UUID } = request;
  if (!Buffer.from(hardwareId).equals(Buffer.from(root.root.fingerprint, 'hex'))) {
    throw evidenceError('mint-usage', "an OP-TEE hardware id is the digest of its device's key");
  }
  const nonce = opteeNonce(nodeCrypto, command, uuid, reportData);
  const device = root.keys['device'] as Uint8Array;
  const signature = mintSign(SCHEME, device, concat(nonce, measurement));
  return encodeCbor({
    v: 1,
    cmd: COMMANDS[command],
    uuid,
    data: reportData,
    out: concat(measurement, signature),
  });
}
