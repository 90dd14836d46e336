// SPDX-License-Identifier: Apache-2.0
// Which outside packages the product carries and which are fetched where it is installed, on a
// lockfile of a few lines.
import { expect, it } from 'vitest';
import { outsidePackages } from './outside.js';

const ours = new Map([
  ['@us/a', { dependencies: { '@us/b': '1.0.0', web: '1.0.0' } }],
  ['@us/b', { dependencies: { native: '1.0.0', deep: '2.0.0' } }],
]);
const packages = {
  'node_modules/web': { version: '1.0.0', dependencies: { deep: '^1.0.0' } },
  'node_modules/web/node_modules/deep': { version: '1.5.0' },
  'node_modules/deep': { version: '2.0.0' },
  'node_modules/native': {
    version: '1.0.0',
    dependencies: { which: '^1.0.0' },
    optionalDependencies: { 'native-linux': '1.0.0', 'native-mac': '1.0.0' },
  },
  'node_modules/native-linux': { version: '1.0.0', os: ['linux'], optional: true },
  'node_modules/which': { version: '1.2.0' },
  'node_modules/compiler': { version: '1.0.0', dev: true },
};

it('carries what is the same everywhere, nested as it is, and has the rest fetched', () => {
  expect(outsidePackages(packages, ours)).toEqual({
    carried: ['node_modules/deep', 'node_modules/web', 'node_modules/web/node_modules/deep'],
    fetched: ['node_modules/native', 'node_modules/which'],
  });
});

it('says what a lockfile lacks', () => {
  const { 'node_modules/deep': _gone, ...rest } = packages;
  expect(() => outsidePackages(rest, ours)).toThrow('package-lock.json has no deep for packages/b');
});
