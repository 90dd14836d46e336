// SPDX-License-Identifier: Apache-2.0
// Prints how many pieces of evidence a core verifies in a second, kind by kind: with a cache that
// has met the platform and its collateral before, and cold, when every call starts with nothing.
// DCAP side by side with three peers on the same quote, collateral, time and root: @phala/dcap-qvl
// (JavaScript), @phala/dcap-qvl-web (WebAssembly; it knows Intel's root only, so it judges a
// captured quote from ../shared/vectors), and the Rust crate dcap-qvl, built here where cargo is
// present. None of the peers has a cache. The figures are a CPU-second's, medians of seven rounds.
// Run it after a build: node packages/evidence/bench/evidence.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { nodeCrypto } from '@cloister/core/node';
import peer from '@phala/dcap-qvl';
import { initSync, js_verify } from '@phala/dcap-qvl-web';
import { peerProgram } from '../../../tools/peers.js';

const dist = new URL('../dist/', import.meta.url);
const {
  EvidenceCache,
  needsCollateral,
  MEASUREMENT_LENGTH,
  parseCollateralJson,
  REPORT_DATA_LENGTH,
  VENDOR_ROOTS,
  verifyEvidence,
} = await import(`${dist}index.js`);
const { createDevelopmentRoot, MINTABLE_KINDS, mintCollateral, mintEvidence } = await import(
  `${dist}mint/index.js`
);
const { dcapBundleJson } = await import(`${dist}dcap/collateral.js`);

const ROUNDS = 7;
const ROUND_MS = 250;
const CAPTURE = 'tdx_dcap_qvl_tdx_quote__eval17_2025-06-19';
const at = Date.now();

/** Median over rounds of calls a CPU-second. A round lasts by the CPU's time, whoever shares it. */
async function rate(f) {
  const rates = [];
  // One more than counts, for the compiler.
  for (let round = 0; round <= ROUNDS; round++) {
    const start = process.cpuUsage();
    let calls = 0;
    let spent = 0;
    for (; spent < ROUND_MS * 1000; calls++) {
      await f();
      const { user, system } = process.cpuUsage(start);
      spent = user + system;
    }
    if (round > 0) rates.push(calls / (spent / 1e6));
  }
  return rates.sort((a, b) => a - b)[Math.trunc(ROUNDS / 2)];
}

async function ourRates(evidence, options) {
  const cache = new EvidenceCache();
  const cached = await rate(() => verifyEvidence(evidence, { ...options, cache }));
  return { cached, cold: await rate(() => verifyEvidence(evidence, options)) };
}

function line(name, { cached, cold }, note = '') {
  const cell = (n) => (n === undefined ? '' : Math.round(n).toLocaleString('en')).padStart(9);
  process.stdout.write(`${name.padEnd(24)}${cell(cached)}${cell(cold)}  ${note}`.trimEnd());
  process.stdout.write('\n');
}

function peerLine(name, theirs, ours) {
  const times = (n) => (n / theirs).toFixed(1);
  line(`  ${name}`, { cold: theirs }, `ours ${times(ours.cached)} x cached, ${times(ours.cold)} x`);
}

/** The Rust program's path, or why there is none. */
function rustProgram() {
  try {
    return { path: peerProgram('dcap-qvl') };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}
const rust = rustProgram();

/** What the crate does in a CPU-second, by the same clock and the same rounds. */
function rustRate({ rootCertificate, quote, bundle, seconds }) {
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  const common = { root: hex(rootCertificate), quote: hex(quote), collateral: bundle, at: seconds };
  const input = JSON.stringify({ ...common, rounds: ROUNDS, round_ms: ROUND_MS });
  const { stdout, error } = spawnSync(rust.path, { input, encoding: 'utf8' });
  const answer = error === undefined ? JSON.parse(stdout) : { error };
  if (answer.perCpuSecond === undefined) throw new Error(`the Rust peer: ${answer.error}`);
  return answer.perCpuSecond;
}

async function dcapPeers(job, ours) {
  const { rootCertificate, quote, bundle, seconds } = job;
  const verifier = peer.QuoteVerifier.newWithRootCa(Buffer.from(rootCertificate));
  const javaScript = await rate(() => verifier.verify(Buffer.from(quote), bundle, seconds));
  peerLine('@phala/dcap-qvl', javaScript, ours);
  if (rust.path !== undefined) peerLine('dcap-qvl (Rust)', rustRate(job), ours);
}

async function captured() {
  const shared = new URL('../../../../shared/vectors/', import.meta.url);
  if (!existsSync(new URL('cases.json', shared))) {
    process.stdout.write('no ../shared/vectors: no captured quote, so no @phala/dcap-qvl-web\n');
    return;
  }
  const read = (path) => readFileSync(new URL(path, shared));
  const found = JSON.parse(read('cases.json')).cases.find((c) => c.id === CAPTURE);
  const bytes = new Uint8Array(read(found.evidence));
  const collateral = parseCollateralJson('tdx-dcap', read(found.collateralBundle));
  const options = { crypto: nodeCrypto, collateral, roots: VENDOR_ROOTS, at: Date.parse(found.at) };
  const ours = await ourRates({ kind: 'tdx-dcap', bytes }, options);
  line('tdx-dcap, captured', ours, CAPTURE);
  const root = VENDOR_ROOTS.find((r) => r.kinds.includes('tdx-dcap'));
  const bundle = JSON.parse(dcapBundleJson(collateral.items));
  const seconds = options.at / 1000;
  await dcapPeers({ rootCertificate: root.certificate, quote: bytes, bundle, seconds }, ours);
  const script = createRequire(import.meta.url).resolve('@phala/dcap-qvl-web');
  initSync({ module: readFileSync(script.replace(/\.js$/, '_bg.wasm')) });
  const webAssembly = await rate(() => js_verify(bytes, bundle, BigInt(seconds)));
  peerLine('@phala/dcap-qvl-web', webAssembly, ours);
}

if (rust.missing !== undefined) {
  process.stdout.write(`no figures of the Rust crate dcap-qvl: ${rust.missing}\n`);
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
  const ours = await ourRates(evidence, options);
  line(kind, ours);
  if (kind !== 'sgx-dcap' && kind !== 'tdx-dcap') continue;
  const job = {
    rootCertificate: root.certificates.root,
    quote: evidence.bytes,
    bundle: JSON.parse(dcapBundleJson(collateral.items)),
    seconds: Math.floor(at / 1000) + 1,
  };
  await dcapPeers(job, ours);
}
await captured();
