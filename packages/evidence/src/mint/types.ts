// SPDX-License-Identifier: Apache-2.0
// What minting takes and gives. Minted evidence is format-exact, and worth nothing unless its
// development root is named among the roots of the verifier: its trust is always 'simulated'.
import type { EvidenceKind, Root } from '../types.ts';

/**
 * A maker, its factory and one platform, in a box: certificates and private keys (PKCS #8, DER) by
 * name. Secret: whoever holds it can mint evidence for any measurement. `encodeDevelopmentRoot`
 * writes it as deterministic CBOR, so that a simulated-hardware launcher can keep it on disk.
 */
export interface DevelopmentRoot {
  readonly kind: EvidenceKind;
  /** Public: what a charter names to accept this root. `trust` is 'simulated'. */
  readonly root: Root;
  /** What collateral for its platforms is about (an FMSPC, a product name, or the kind). */
  readonly subject: string;
  readonly keys: Readonly<Record<string, Uint8Array>>;
  readonly certificates: Readonly<Record<string, Uint8Array>>;
}

export interface DevelopmentRootOptions {
  /** 32 bytes: the same seed gives the same keys. Without it, fresh random keys. */
  readonly seed?: Uint8Array;
  /** Start of validity of its certificates, milliseconds; default 2025-01-01T00:00:00Z. */
  readonly from?: number;
  /** Who enrols it, for families that count under who enrolled them (OP-TEE). */
  readonly enrolledBy?: string;
}

/** Evidence to mint. Lengths: `MEASUREMENT_LENGTH`, `REPORT_DATA_LENGTH`, `HARDWARE_ID_LENGTH`. */
export interface MintRequest {
  readonly root: DevelopmentRoot;
  /** The value that `Claims.measurement` is to have; for kinds that derive it, see mintX. */
  readonly measurement: Uint8Array;
  readonly reportData: Uint8Array;
  /** Default: `hardwareIdOf(root)`. */
  readonly hardwareId?: Uint8Array;
  readonly debug?: boolean;
  readonly migratable?: boolean;
  /** MRSIGNER or its like; default all zero. */
  readonly signer?: Uint8Array;
  /** Security version numbers to claim; names as in `Claims.tcb.svn`. */
  readonly svn?: Readonly<Record<string, number>>;
  /** Milliseconds: the time that evidence with a time of its own carries. */
  readonly at: number;
}

export interface MintCollateralOptions {
  /** Milliseconds: issued then. */
  readonly at: number;
  /** Milliseconds of validity; default 30 days. */
  readonly lifetime?: number;
  /** The number that never goes back; default 1. */
  readonly number?: number;
  /** Hardware ids whose certificates the CRL is to revoke. */
  readonly revoked?: readonly Uint8Array[];
  /** True to revoke the intermediate certificate under which all its platforms are. */
  readonly revokeIntermediate?: boolean;
  /** Status of the TCB level that minted evidence falls in; default UpToDate. */
  readonly status?: string;
  readonly advisories?: readonly string[];
}
