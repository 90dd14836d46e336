// SPDX-License-Identifier: Apache-2.0
// Parts from what the makers serve: the same files as a bundle is made of, but each part stands by
// itself, so one re-issued file is enough. A statement whose chain is not among the files is an
// error that says so; nothing is trusted here.
import { equal } from '@cloister/core';
import type { CollateralItems } from './collateral.ts';
import { evidenceError } from './errors.ts';
import { type CollateralPart, decodeParts, type PartName } from './parts.ts';
import { gatherItems, type VendorFile } from './vendor-files.ts';
import { parseCertificate } from './x509/certificate.ts';
import { isSelfIssued } from './x509/chain.ts';
import { parseCertificates } from './x509/pem.ts';

/** Where each part stands among a bundle's items. */
const SOURCES: readonly { item: string; part: PartName; chain: string }[] = [
  { item: 'tcb-info', part: 'tcb-info', chain: 'tcb-info-issuer-chain' },
  { item: 'qe-identity', part: 'qe-identity', chain: 'qe-identity-issuer-chain' },
  { item: 'pck-crl', part: 'pck-crl', chain: 'pck-crl-issuer-chain' },
];

/**
 * Every part among the files: PCS answers, CRLs, certificates, bundles, files of parts.
 * @throws CodedError `collateral-malformed` that names what is missing, and the parsers' codes
 */
export function partsFromFiles(files: readonly VendorFile[]): CollateralPart[] {
  const [only] = files;
  if (files.length === 1 && only !== undefined && isParts(only.bytes)) {
    return decodeParts(only.bytes);
  }
  const { items, roots } = gatherItems(files);
  const parts = partsOfItems(items, roots);
  if (parts.length > 0) return parts;
  throw evidenceError('collateral-malformed', 'the files hold no part of collateral');
}

/** The parts of a bundle's items; `roots` are certificates that chains may lack. */
export function partsOfItems(
  items: CollateralItems,
  roots: readonly Uint8Array[] = [],
): CollateralPart[] {
  const item = (name: string) => (Object.hasOwn(items, name) ? items[name] : undefined);
  const found: CollateralPart[] = [];
  for (const { item: name, part, chain } of SOURCES) {
    const statement = item(name);
    if (statement === undefined) continue;
    const signature = item(`${name}-signature`);
    const links = linked(name, certificatesOf(item(chain)), roots);
    found.push({
      part,
      statement,
      chain: links,
      ...(signature === undefined ? {} : { signature }),
    });
  }
  const chains = SOURCES.map(({ chain }) => certificatesOf(item(chain)));
  const carried = [...chains.flat(), ...roots].filter((der) => isSelfIssued(parseCertificate(der)));
  const list = item('root-ca-crl');
  const [intel] = carried;
  if (list !== undefined) found.push(ofRoot('root-crl', 'root-ca-crl', list, intel));
  return [...found, ...amdParts(item, roots)];
}

function amdParts(
  item: (name: string) => Uint8Array | undefined,
  roots: readonly Uint8Array[],
): CollateralPart[] {
  const intermediates = ['ask', 'asvk'].flatMap((name) => certificatesOf(item(name)));
  const all = [...intermediates, ...roots].map((der) => ({ der, read: parseCertificate(der) }));
  const ark = all.find(({ read }) => isSelfIssued(read))?.der;
  const found = all
    .filter(({ read, der }) => !isSelfIssued(read) && intermediates.includes(der))
    .map(({ der }) => ofRoot('amd-chain', 'ask', der, ark));
  const list = item('crl');
  return list === undefined ? found : [...found, ofRoot('root-crl', 'crl', list, ark)];
}

function ofRoot(
  part: PartName,
  name: string,
  statement: Uint8Array,
  root: Uint8Array | undefined,
): CollateralPart {
  if (root === undefined) throw incomplete(name, "its root's certificate");
  return { part, statement, chain: [root] };
}

/** Signer first, then the root. */
function linked(name: string, chain: readonly Uint8Array[], roots: readonly Uint8Array[]) {
  const read = [...chain, ...roots].map((der) => ({ der, read: parseCertificate(der) }));
  const signer = read.find((one) => !isSelfIssued(one.read) && chain.includes(one.der));
  const issuer = signer?.read.issuer;
  const root = read.find((one) => {
    return isSelfIssued(one.read) && issuer !== undefined && equal(one.read.subject, issuer);
  });
  if (signer === undefined) throw incomplete(name, 'the certificate of who signed it');
  if (root === undefined) throw incomplete(name, "its root's certificate");
  return [signer.der, root.der];
}

function incomplete(name: string, what: string): Error {
  return evidenceError('collateral-malformed', `'${name}' is here without ${what}`);
}

function certificatesOf(chain: Uint8Array | undefined): Uint8Array[] {
  return chain === undefined ? [] : parseCertificates(chain);
}

/** A file of parts is a map of two entries, a bundle one of three. */
function isParts(bytes: Uint8Array): boolean {
  return bytes[0] === 0xa2;
}
