// SPDX-License-Identifier: Apache-2.0
// Prints how many pieces of evidence a core verifies in a second, kind by kind: with a cache that
// has met the platform and its collateral before, and cold, when every call starts with nothing.
// DCAP side by side with @phala/dcap-qvl (JavaScript) on the same quote, collateral and root. The
// figures are a CPU-second's, medians of seven rounds. Run it after a build:
//   node packages/evidence/bench/evidence.mjs
import { nodeCrypto } from '@cloister/core/node';
import peer from '@phala/dcap-qvl';

const dist = new URL('../dist/', import.meta.url);
const { EvidenceCache, needsCollateral, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH, verifyEvidence } =
  await import(`${dist}index.js`);
const { createDevelopmentRoot, MINTABLE_KINDS, mintCollateral, mintEvidence } = await import(
  `${dist}mint/index.js`
);
const { dcapBundleJson } = await import(`${dist}dcap/collateral.js`);

const ROUNDS = 7;
const ROUND_MS = 250;
const at = Date.now();

/** Median over rounds of calls a CPU-second. */
async function rate(f) {
  const rates = [];
  await f();
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    const end = Date.now() + ROUND_MS;
    let calls = 0;
    for (; Date.now() < end; calls++) await f();
    const { user, system } = process.cpuUsage(start);
    rates.push(calls / ((user + system) / 1e6));
  }
  return rates.sort((a, b) => a - b)[Math.trunc(ROUNDS / 2)];
}

function line(name, cached, cold, note = '') {
  const cell = (n) => (n === undefined ? '' : Math.round(n).toLocaleString('en')).padStart(9);
  process.stdout.write(`${name.padEnd(24)}${cell(cached)}${cell(cold)}  ${note}\n`);
}

process.stdout.write('verified a CPU-second      cached     cold\n');
for (const kind of MINTABLE_KINDS) {
  const root = createDevelopmentRoot(kind);
  const evidence = mintEvidence({
    root,
    measurement: new Uint8Array(MEASUREMENT_LENGTH[kind]),
    reportData: new Uint8Array(REPORT_DATA_LENGTH[kind]),
    at,
  });
  const collateral = needsCollateral(kind) ? mintCollateral(root, { at }) : null;
  const options = { crypto: nodeCrypto, collateral, roots: [root.root], at: at + 1000 };
  const cache = new EvidenceCache();
  const cached = await rate(() => verifyEvidence(evidence, { ...options, cache }));
  const cold = await rate(() => verifyEvidence(evidence, options));
  line(kind, cached, cold);
  if (kind !== 'sgx-dcap' && kind !== 'tdx-dcap') continue;
  const verifier = peer.QuoteVerifier.newWithRootCa(Buffer.from(root.certificates.root));
  const bundle = JSON.parse(dcapBundleJson(collateral.items));
  const seconds = Math.floor(at / 1000) + 1;
  const theirs = await rate(() => verifier.verify(evidence.bytes, bundle, seconds));
  const times = (ours) => (ours / theirs).toFixed(1);
  const ratio = `ours ${times(cached)} x cached, ${times(cold)} x cold`;
  line('  @phala/dcap-qvl', undefined, theirs, ratio);
}
