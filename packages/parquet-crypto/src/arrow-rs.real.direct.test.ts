// SPDX-License-Identifier: Apache-2.0
// arrow-rs reads what this package encrypts under data keys, and this package reads what it
// encrypts. Runs in the lane `direct`; CLOISTER_RUST_PARQUET names the program of interop/arrow-rs.
// It has no AES_GCM_CTR_V1.
import { directPeer } from '../testing/direct-peer.ts';

const not = ['CTR'] as const;
directPeer('arrow-rs', process.env['CLOISTER_RUST_PARQUET'], { reads: not, writes: not });
