// SPDX-License-Identifier: Apache-2.0
// Mints Nitro documents under a development root: root, zonal CA, instance certificate, P-384 all
// through. `measurement` becomes PCR0 (zero in debug mode), `signer` PCR8, the hardware id the
// module id's text.
import { type Cbor, concat, encodeCbor, fromUtf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { name } from '../mint/der.ts';
import { mintKey, mintSign, publicOf } from '../mint/keys.ts';
import { checkedRequest } from '../mint/request.ts';
import type { DevelopmentRoot, DevelopmentRootOptions, MintRequest } from '../mint/types.ts';
import {
  caExtensions,
  leafExtensions,
  type MintIssuer,
  mintCertificate,
  serialOf,
} from '../mint/x509.ts';
import { rootFromCertificate } from '../roots/make.ts';
import { COSE_ALG_ES384 } from './constants.ts';

const YEAR_MS = 365 * 86_400_000;
const DEFAULT_FROM = Date.UTC(2025, 0, 1);
const LEAF_LIFETIME_MS = 3 * 60 * 60 * 1000;
const ROOT_NAME = name('aws.nitro-enclaves');
const ZONE_NAME = name('development.zonal.aws.nitro-enclaves');
const SCHEME = 'ecdsa-p384-sha384';

export function createNitroRoot(options: DevelopmentRootOptions): DevelopmentRoot {
  const { seed, from = DEFAULT_FROM } = options;
  const keys = {
    root: mintKey('p384', 'nitro/root', seed),
    zone: mintKey('p384', 'nitro/zone', seed),
    leaf: mintKey('p384', 'nitro/leaf', seed),
  };
  const issuer: MintIssuer = { name: ROOT_NAME, key: keys.root, scheme: SCHEME };
  const issue = (subject: Uint8Array, secret: Uint8Array, pathLength: number): Uint8Array =>
    mintCertificate({
      issuer,
      subject,
      publicKey: publicOf(secret),
      serial: serialOf(publicOf(secret)),
      from,
      to: from + 25 * YEAR_MS,
      extensions: caExtensions(pathLength),
    });
  const certificates = {
    root: issue(ROOT_NAME, keys.root, 2),
    zone: issue(ZONE_NAME, keys.zone, 0),
  };
  const root = rootFromCertificate(nodeCrypto, certificates.root, {
    family: 'aws',
    kinds: ['nitro'],
    trust: 'simulated',
    source: 'a development root of this project',
  });
  return { kind: 'nitro', root, subject: 'nitro', keys, certificates };
}

/** Evidence bytes of kind `nitro`. @throws CodedError `mint-usage` */
export function mintNitro(request: MintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'nitro');
  const { root, measurement, at } = request;
  const secret = root.keys['leaf'] as Uint8Array;
  const leaf = mintCertificate({
    issuer: { name: ZONE_NAME, key: root.keys['zone'] as Uint8Array, scheme: SCHEME },
    subject: name('development.instance.aws'),
    publicKey: publicOf(secret),
    serial: serialOf(hardwareId),
    from: at - 1000,
    to: at + LEAF_LIFETIME_MS,
    extensions: leafExtensions(),
  });
  const pcrs = new Map<number, Uint8Array>();
  for (let n = 0; n < 16; n++) pcrs.set(n, new Uint8Array(48));
  if (request.debug !== true) pcrs.set(0, measurement);
  if (request.signer !== undefined) pcrs.set(8, request.signer);
  const payload = encodeCbor(
    new Map<string, Cbor>([
      ['module_id', fromUtf8(hardwareId)],
      ['digest', 'SHA384'],
      ['timestamp', at],
      ['pcrs', pcrs],
      ['certificate', leaf],
      ['cabundle', [root.certificates['root'] as Cbor, root.certificates['zone'] as Cbor]],
      ['public_key', null],
      ['user_data', request.reportData],
      ['nonce', null],
    ]),
  );
  const header = encodeCbor(new Map([[1, COSE_ALG_ES384]]));
  const signed = concat(
    Uint8Array.of(0x84),
    ...(['Signature1', header, new Uint8Array(0), payload] as Cbor[]).map(encodeCbor),
  );
  return encodeCbor([header, new Map(), payload, mintSign(SCHEME, secret, signed)]);
}
