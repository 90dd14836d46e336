// SPDX-License-Identifier: Apache-2.0
// Envelopes of our own (OP-TEE, TPM, Azure) and Nitro documents, taken apart and put together
// wrong: each member missing, of another type or of another length, each with its code.
import { type Cbor, decodeCbor, encodeCbor, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { needsCollateral } from './collateral.ts';
import { createDevelopmentRoot, mintCollateral, mintEvidence, mintOptee } from './minting.ts';
import { opteeNonce } from './op-tee/parse.ts';
import { type EvidenceKind, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH } from './types.ts';
import { verifyEvidence } from './verify.ts';

const AT = Date.UTC(2026, 0, 15);
type Envelope = { [name: string]: Cbor };

function specimen(kind: EvidenceKind) {
  const root = createDevelopmentRoot(kind, { seed: new Uint8Array(32).fill(7) });
  const request = {
    root,
    measurement: new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(1),
    reportData: new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(2),
    at: AT,
  };
  const collateral = needsCollateral(kind) ? mintCollateral(root, { at: AT - 1000 }) : null;
  const options = { crypto: nodeCrypto, roots: [root.root], at: AT, collateral };
  const codeOf = async (bytes: Uint8Array): Promise<string> => {
    try {
      await verifyEvidence({ kind, bytes }, options);
      return 'accepted';
    } catch (error) {
      if (isCoded(error)) return error.code;
      throw error;
    }
  };
  return { request, codeOf, bytes: mintEvidence(request).bytes };
}

describe.each([['op-tee'], ['tpm2'], ['azure-snp-vtpm'], ['azure-tdx-vtpm']] as const)(
  '%s',
  (kind) => {
    const { bytes, codeOf } = specimen(kind);
    const envelope = decodeCbor(bytes) as Envelope;
    const names = Object.keys(envelope);
    const changed = (change: Envelope) => codeOf(encodeCbor({ ...envelope, ...change }));

    it.each(names.map((name) => [name]))('without %s is malformed', async (name) => {
      const { [name]: _gone, ...rest } = envelope;
      expect(await codeOf(encodeCbor(rest))).toBe('evidence-malformed');
    });

    it.each(names.map((name) => [name]))('with %s of another type is refused', async (name) => {
      for (const value of [null, 'text', 7, -1, { a: 1 }] as Cbor[]) {
        const code = await changed({ [name]: value });
        expect(['evidence-field-invalid', 'evidence-malformed'], `${name} ${value}`).toContain(
          code,
        );
      }
    });

    it('with another version or one member more is refused', async () => {
      expect(await changed({ v: 2 })).toBe('evidence-field-invalid');
      expect(await changed({ more: 1 })).toBe('evidence-malformed');
    });

    it('in another encoding of the same value is refused', async () => {
      const longer = new Uint8Array([...bytes.subarray(0, 1), 0x78, ...bytes.subarray(1)]);
      expect(await codeOf(longer)).not.toBe('accepted');
    });
  },
);

describe('op-tee', () => {
  const { bytes, codeOf, request } = specimen('op-tee');
  const envelope = decodeCbor(bytes) as Envelope;

  it('binds command, application and report data', async () => {
    const other = { cmd: 3, uuid: new Uint8Array(16), data: new Uint8Array(64) };
    for (const [name, value] of Object.entries(other)) {
      const code = await codeOf(encodeCbor({ ...envelope, [name]: value }));
      expect(code, name).toBe('signature-invalid');
    }
    for (const command of ['ta-header-digest', 'ta-memory', 'tee-memory'] as const) {
      expect(await codeOf(mintOptee({ ...request, command })), command).toBe('accepted');
    }
    const uuid = new Uint8Array(16);
    const nonces = (['ta-header-digest', 'ta-memory', 'tee-memory'] as const).map((command) =>
      opteeNonce(nodeCrypto, command, uuid, request.reportData).join(),
    );
    expect(new Set(nonces).size).toBe(3);
  });

  it('wants fields of their exact length', async () => {
    for (const [name, length] of [
      ['uuid', 15],
      ['data', 63],
      ['out', 32],
    ] as const) {
      const code = await codeOf(encodeCbor({ ...envelope, [name]: new Uint8Array(length) }));
      expect(code, name).toBe('evidence-field-invalid');
    }
    const cut = (envelope['out'] as Uint8Array).subarray(0, 200);
    expect(await codeOf(encodeCbor({ ...envelope, out: cut }))).toBe('signature-invalid');
  });
});

describe('tpm2', () => {
  const { bytes, codeOf } = specimen('tpm2');
  const envelope = decodeCbor(bytes) as Envelope;
  const changed = (change: Envelope) => codeOf(encodeCbor({ ...envelope, ...change }));
  const pcrs = envelope['pcrs'] as [number, [number, Uint8Array][]][];
  const values = (pcrs[0] as [number, [number, Uint8Array][]])[1];

  it('carries exactly the registers that were quoted', async () => {
    const zero = new Uint8Array(32);
    expect(await changed({ pcrs: [[11, values.slice(1)]] })).toBe('evidence-field-invalid');
    expect(await changed({ pcrs: [[11, [...values, [8, zero]]]] })).toBe('evidence-field-invalid');
    expect(await changed({ pcrs: [[11, [[0, zero], ...values.slice(1)]]] })).toBe(
      'binding-invalid',
    );
    expect(await changed({ pcrs: [[11, [...values, [0, zero]]]] })).toBe('evidence-field-invalid');
    expect(await changed({ pcrs: [[12, values]] })).toBe('evidence-field-invalid');
    expect(await changed({ pcrs: [] })).toBe('evidence-field-invalid');
  });

  it('is generated by a TPM and is a quote', async () => {
    const attest = envelope['attest'] as Uint8Array;
    const at = (offset: number, value: number) => {
      const out = attest.slice();
      out[offset] = value;
      return out;
    };
    expect(await changed({ attest: at(0, 0) })).toBe('evidence-field-invalid');
    expect(await changed({ attest: at(5, 0x17) })).toBe('evidence-version-unsupported');
    expect(await changed({ attest: attest.subarray(1) })).toBe('evidence-field-invalid');
    expect(await changed({ attest: attest.subarray(0, -1) })).toBe('evidence-malformed');
    const longer = new Uint8Array([...attest, 0]);
    expect(await changed({ attest: longer })).toBe('evidence-trailing-bytes');
  });

  it('is signed by an enrolled key', async () => {
    const other = createDevelopmentRoot('tpm2', { seed: new Uint8Array(32).fill(8) });
    expect(await changed({ ak: other.root.key })).toBe('root-untrusted');
    const sig = (envelope['sig'] as Uint8Array).slice();
    sig[1] = 0x05;
    expect(await changed({ sig })).toBe('evidence-key-type-unsupported');
    expect(await changed({ log: new Uint8Array(40) })).toBe('evidence-version-unsupported');
  });
});

describe('nitro', () => {
  const { bytes, codeOf } = specimen('nitro');
  const parts = decodeCbor(bytes, { maps: true }) as Cbor[];
  const payload = decodeCbor(parts[2] as Uint8Array, { maps: true }) as ReadonlyMap<string, Cbor>;
  const repacked = (name: string, value: Cbor | undefined) => {
    const map = new Map(payload);
    if (value === undefined) map.delete(name);
    else map.set(name, value);
    const [header, unprotected, , signature] = parts as [Cbor, Cbor, Cbor, Cbor];
    return codeOf(encodeCbor([header, unprotected, encodeCbor(map), signature]));
  };

  it('is refused with a member missing, strange or changed', async () => {
    for (const name of ['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle']) {
      expect(await repacked(name, undefined), name).toBe('evidence-malformed');
      expect(await repacked(name, -1), name).toBe('evidence-malformed');
    }
    expect(await repacked('more', 1)).toBe('evidence-malformed');
    expect(await repacked('digest', 'SHA256')).toBe('evidence-malformed');
    expect(await repacked('user_data', new Uint8Array(513))).toBe('evidence-malformed');
    expect(await repacked('pcrs', new Map([[0, new Uint8Array(32)]]))).toBe('evidence-malformed');
    expect(await repacked('pcrs', new Map([[32, new Uint8Array(48)]]))).toBe('evidence-malformed');
    expect(await repacked('user_data', new Uint8Array(64))).toBe('signature-invalid');
    expect(await repacked('nonce', new Uint8Array(1))).toBe('signature-invalid');
  });

  it('is ES384 with nothing unprotected', async () => {
    const [, , body, signature] = parts as [Cbor, Cbor, Cbor, Cbor];
    const es256 = encodeCbor(new Map([[1, -7]]));
    const other = codeOf(encodeCbor([es256, new Map(), body, signature]));
    expect(await other).toBe('evidence-key-type-unsupported');
    const header = parts[0] as Cbor;
    const loud = codeOf(encodeCbor([header, new Map([[4, 1]]), body, signature]));
    expect(await loud).toBe('evidence-malformed');
    const tagged = new Uint8Array([0xd2, ...bytes]);
    expect(await codeOf(tagged)).toBe('accepted');
  });
});
