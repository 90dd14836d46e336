// SPDX-License-Identifier: Apache-2.0
// For tests only: a ledger server as a process of its own, to be killed. Takes a folder and an
// origin, admits everyone, prints its URL on a line.
import { serveLedger } from '@cloister/ledger-log';

const [folder, origin] = process.argv.slice(2);
const server = await serveLedger({
  folder,
  origin,
  authenticate: () => 'anyone',
  authorise: () => undefined,
  quota: { perSecond: 1e6, burst: 1e6 },
});
process.stdout.write(`${server.url}\n`);
process.once('SIGTERM', () => {
  void server.close();
});
