// SPDX-License-Identifier: Apache-2.0
// Prints the figures of key sharing, medians on one core: what a keeper and a worker do for one
// sealed key, a request of 20 columns, and a whole key generation and reshare (all seats in this
// one process, transport left out) for 3, 7 and 15 keepers. Run it after a build:
//   node packages/threshold/bench/threshold.mjs
import { systemRandom as random } from '@cloister/core';

const dist = new URL('../dist/', import.meta.url);
const pub = await import(`${dist}index.js`);
const node = await import(`${dist}node.js`);

const genesis = random.bytes(32);
const curve = node.opensslCurve;

async function median(runs, f) {
  await f();
  const times = [];
  for (let i = 0; i < runs; i++) {
    const start = process.hrtime.bigint();
    await f();
    times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return times.sort((a, b) => a - b)[Math.trunc(runs / 2)];
}

const seats = (n) => Array.from({ length: n }, (_, i) => i + 1);

/** Key generation or reshare with sealed deals, every seat's work counted. */
async function form({ n, t, old }) {
  const epoch = random.bytes(32);
  const pairs = seats(n).map(() => node.generateHpkeKeyPair(random));
  const dealers = old === undefined ? seats(n) : seats(old[0].t);
  const dealings = dealers.map((seat) => {
    const reshare = old === undefined ? {} : { reshare: old[seat - 1] };
    return node.createDealing({ genesis, epoch, seat, n, t, random, ...reshare });
  });
  const shares = [];
  for (const seat of seats(n)) {
    const reveals = dealings.map(({ reveal, commit }, i) => {
      const dealer = dealers[i];
      const reshare =
        old === undefined
          ? {}
          : { reshare: { previous: old[0].epoch, publicShare: old[dealer - 1].publicShare } };
      const check = { genesis, epoch, seat: dealer, t, reveal, commit, curve };
      return pub.verifyReveal({ ...check, ...reshare });
    });
    const deals = [];
    for (const [i, dealing] of dealings.entries()) {
      const keyPair = pairs[seat - 1];
      const dealer = dealers[i];
      const context = { genesis, epoch, dealer, recipient: seat };
      const recipientKey = keyPair.publicKey;
      const { deal } = dealing.deals[seat - 1];
      const sealed = node.sealDeal({ ...context, recipientKey, deal, random });
      deals.push({ dealer, deal: node.openDeal({ ...context, sealed, keyPair }) });
    }
    const expected = old === undefined ? {} : { expectedGroupKey: old[0].groupKey };
    shares.push(node.combineDeals({ seat, n, reveals, deals, ...expected }));
    pub.transcriptHash({ reveals, n });
  }
  return shares;
}

const shares = await form({ n: 3, t: 2 });
const { groupKey } = shares[0];
const columns = seats(20).map((column) => {
  const policy = random.bytes(32);
  const dataset = random.bytes(16);
  const named = { genesis, groupKey, owner: 'bank', dataset, version: 1, column, policy };
  const label = pub.encodeLabel(named);
  const sealed = node.sealMasterKey({ groupKey, label, masterKey: random.bytes(32), random });
  return { label, sealed, enc: pub.parseSealedKey(sealed).enc };
});
const answer = (share) =>
  columns.map(({ sealed, label }) => node.partialOpen({ share, sealed, label }));
const answers = shares.slice(0, 2).map(answer);
const open = () =>
  columns.map(({ sealed, label }, c) => {
    const partials = answers.map((points, i) => ({ seat: i + 1, point: points[c] }));
    return node.combinePartials({ t: 2, partials, groupKey, sealed, label });
  });
const openings = columns.map(({ enc }, c) => ({ enc, point: answers[0][c] }));
const request = random.bytes(32);
const proof = node.provePartials({ share: shares[0], request, openings, random });
const { epoch, seat, publicShare } = shares[0];
const statement = { genesis, epoch, seat, publicShare, request, openings };

const row = (what, ms, each = 1) => {
  const rate = ((1000 * each) / ms).toFixed(0);
  process.stdout.write(`${what.padEnd(40)}${ms.toFixed(2).padStart(10)} ms${rate.padStart(8)}/s\n`);
};
const measure = async (what, runs, f, each = 1) => row(what, await median(runs, f), each);

const [first] = columns;
const [share] = shares;
const seal = () => node.sealMasterKey({ groupKey, label: first.label, masterKey: request });
await measure('seal one key', 50, seal);
await measure('verify pi, OpenSSL', 50, () => pub.verifySealedKey({ ...first, curve }));
await measure('verify pi, browser form', 20, () => pub.verifySealedKey(first));
await measure('keeper answers 20 columns', 9, () => answer(share), 20);
await measure('worker combines 20 columns, t = 2', 9, open, 20);
const prove = () => node.provePartials({ share, request, openings });
await measure('keeper proves 20 columns', 9, prove, 20);
const verify = (on) => () => pub.verifyPartials(statement, proof, on);
await measure('verify that proof, OpenSSL', 9, verify(curve), 20);
await measure('verify that proof, browser form', 5, verify(undefined), 20);
for (const [n, t] of [
  [3, 2],
  [7, 4],
  [15, 8],
]) {
  let made;
  const runs = n > 7 ? 1 : 3;
  const fresh = await median(runs, async () => {
    made = await form({ n, t });
  });
  row(`key generation, ${t} of ${n}, all seats`, fresh);
  row(`key generation, ${t} of ${n}, a seat`, fresh / n);
  const again = await median(runs, () => form({ n, t, old: made }));
  row(`reshare, ${t} of ${n}, a seat`, again / n);
}
