// SPDX-License-Identifier: Apache-2.0
// Arrow's Go library reads what this package encrypts under data keys, and this package reads what
// it encrypts. Runs in the lane `direct`; CLOISTER_GO_PARQUET names the program of
// interop/arrow-go.
import { directPeer } from '../testing/direct-peer.ts';

directPeer('arrow-go', process.env['CLOISTER_GO_PARQUET']);
