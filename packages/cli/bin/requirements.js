// SPDX-License-Identifier: Apache-2.0
// What `cloister` needs of Node and of the machine, so that one that cannot work is told in one
// sentence before anything is loaded. Imports nothing and keeps to syntax of 2015, which every Node
// that knows modules can parse.

/** The oldest Node that works, and what is said of a line that works until it goes. */
const LEAST = { major: 20, minor: 19 };
const ENDED = 20;
const ADVICE = 'Node 24 is recommended, and 22 and 26 are tested as well';
const ARCHITECTURES = ['x64', 'arm64'];

/**
 * Why it cannot run here; undefined where it can.
 * @param {{ node: string, platform: string, arch: string }} host as `process` states them
 * @returns {string | undefined}
 */
export function refusal(host) {
  if (!recent(host.node)) {
    const least = `Node ${LEAST.major}.${LEAST.minor} or later`;
    return `cloister needs ${least}, and this is ${host.node}: ${ADVICE}.`;
  }
  if (host.platform !== 'linux' || ARCHITECTURES.indexOf(host.arch) < 0) {
    const here = `${host.platform} on ${host.arch}`;
    return (
      `cloister runs on Linux (x64, arm64), and this is ${here}: its engine is held by ulimit ` +
      'and /proc; of its packages evidence, tlog, threshold and parquet-crypto do not need that.'
    );
  }
  return undefined;
}

/**
 * What is to be known of a Node that works; undefined where nothing is.
 * @param {string} node
 * @returns {string | undefined}
 */
export function notice(node) {
  if (parts(node).major !== ENDED) return undefined;
  return `Node ${ENDED} gets no more fixes, and cloister will stop working on it: ${ADVICE}.`;
}

/** @param {string} node @returns {boolean} */
export function recent(node) {
  const { major, minor } = parts(node);
  return major > LEAST.major || (major === LEAST.major && minor >= LEAST.minor);
}

/** @param {string} node */
function parts(node) {
  const [major, minor] = node.split('.').map(Number);
  return { major: Number(major), minor: Number(minor) };
}
