// SPDX-License-Identifier: Apache-2.0
// What a keeper is told at its start, and what it does not believe.
import { foundingCharter } from '@cloister/attested';
import { encodeFoundingCharter } from '@cloister/contract';
import { isCoded, toBase64, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { charterSpecimen } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { type KeeperConfigInput, parseKeeperConfig } from './config.ts';

const charter = charterSpecimen();
const { payload, genesis } = encodeFoundingCharter(charter, nodeCrypto);

function config(change: Partial<Record<keyof KeeperConfigInput | 'extra', unknown>> = {}) {
  const given: KeeperConfigInput = {
    name: 'keeper-bank',
    genesis: toHex(genesis),
    charter: toBase64(payload),
    operator: 'bank',
    environment: 'keeper-sgx',
    gateways: ['http://127.0.0.1:7001'],
  };
  return { ...given, ...change };
}

function codeOf(f: () => unknown): string {
  try {
    f();
    return 'no error';
  } catch (error) {
    return isCoded(error) ? error.code : String(error);
  }
}

describe("a keeper's configuration", () => {
  it('is on loopback and a free port unless told otherwise', () => {
    expect(parseKeeperConfig(config())).toMatchObject({ host: '127.0.0.1', port: 0 });
  });

  it.each<[string, ReturnType<typeof config> | null]>([
    ['a name that is no slug', config({ name: 'Keeper 1' })],
    ['a short genesis', config({ genesis: 'a1' })],
    ['no gateway', config({ gateways: [] })],
    ['a gateway without an address', config({ gateways: ['somewhere'] })],
    ['a port out of range', config({ port: 65_536 })],
    ['an unknown field', config({ extra: 1 })],
    ['nothing at all', null],
  ])('is refused with %s', (_what, value) => {
    expect(codeOf(() => parseKeeperConfig(value))).toBe('config-malformed');
  });

  it('carries the charter that hashes to its genesis, and no other', () => {
    expect(foundingCharter(parseKeeperConfig(config()), nodeCrypto)).toEqual(charter);
    const other = encodeFoundingCharter({ ...charter, name: 'Another' }, nodeCrypto);
    const swapped = parseKeeperConfig(config({ charter: toBase64(other.payload) }));
    expect(codeOf(() => foundingCharter(swapped, nodeCrypto))).toBe('founding-charter-mismatch');
    const garbled = parseKeeperConfig(config({ charter: 'not base64!' }));
    expect(codeOf(() => foundingCharter(garbled, nodeCrypto))).toBe('base64-malformed');
  });
});
