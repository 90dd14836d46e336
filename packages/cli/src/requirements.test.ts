// SPDX-License-Identifier: Apache-2.0
// Which hosts are refused, warned or taken. That it is said before anything is loaded, by an old
// Node too, is tested with real ones in the lane `node`.
import { describe, expect, it } from 'vitest';
import { notice, recent, refusal } from '../bin/requirements.js';

const linux = { platform: 'linux', arch: 'x64' };

describe('what cloister needs', () => {
  it.each(['4.9.1', '12.22.12', '18.20.8', '20.0.0', '20.18.3'])('refuses Node %s', (node) => {
    const said = refusal({ ...linux, node });
    expect(said).toMatch(new RegExp(`^cloister needs Node 20.19 or later, and this is ${node}: `));
    expect(said?.match(/\.(?= |$)/g)).toHaveLength(1);
  });

  it.each(['20.19.0', '20.20.2', '22.0.0', '24.22.3', '26.12.1', '100.1.0'])(
    'takes Node %s',
    (v) => {
      expect(recent(v)).toBe(true);
      expect(refusal({ ...linux, node: v })).toBeUndefined();
      expect(refusal({ ...linux, arch: 'arm64', node: v })).toBeUndefined();
    },
  );

  it.each([
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['linux', 'ppc64'],
  ])('refuses %s on %s', (platform, arch) => {
    const said = refusal({ node: '24.0.0', platform, arch });
    expect(said).toMatch(new RegExp(`^cloister runs on Linux .* this is ${platform} on ${arch}: `));
  });

  it('warns of a line whose end has come, and of no other', () => {
    expect(notice('20.20.2')).toMatch(/^Node 20 gets no more fixes, .*\.$/);
    for (const node of ['22.23.5', '24.22.3', '26.12.1']) expect(notice(node)).toBeUndefined();
  });
});
