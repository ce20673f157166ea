// What the licences of the crates in a native library ask for: their names, versions, licences and texts, for the package of its platform.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { run } from './run.mjs';

/** Stands beside the library, and in its package. */
export const NOTICES = 'THIRD-PARTY-NOTICES.txt';

const LICENCE_FILE = /^(licen[cs]e|copying|unlicense|notice)/i;

/** @typedef {{ id: string, name: string, version: string, license: string | null, authors: string[], source: string | null, manifest_path: string, targets: { kind: string[] }[] }} Crate */
/** @typedef {{ id: string, deps: { pkg: string, dep_kinds: { kind: string | null }[] }[] }} Node */

/** @param {import('./platform.mjs').Platform} platform */
export async function writeNotices({ folder, target, triple }) {
  if (!target) throw new Failure(`cargo's name for ${triple} is not known: add it in scripts/platform.mjs`);
  let json = '';
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', target];
  await run('cargo', args, { quiet: true, onText: (text) => { json += text; } });
  const texts = linkedCrates(JSON.parse(json)).filter(({ source }) => source !== null).map(notice);
  const head = 'The native library of flowdb contains the following crates.\n';
  writeFileSync(path.join(folder, NOTICES), [head, ...texts].join(`\n${'-'.repeat(80)}\n\n`));
}

/**
 * What only the compiler runs, macros and build scripts, is not in the library.
 *
 * @param {{ packages: Crate[], resolve: { root: string, nodes: Node[] } }} metadata
 * @returns {Crate[]}
 */
function linkedCrates({ packages, resolve }) {
  const crates = new Map(packages.map((crate) => [crate.id, crate]));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  /** @type {Set<Crate>} */
  const linked = new Set();
  const visit = (/** @type {string} */ id) => {
    const crate = /** @type {Crate} */ (crates.get(id));
    if (linked.has(crate) || crate.targets.some(({ kind }) => kind.includes('proc-macro'))) return;
    linked.add(crate);
    for (const { pkg, dep_kinds: kinds } of /** @type {Node} */ (nodes.get(id)).deps) {
      if (kinds.some(({ kind }) => kind === null)) visit(pkg);
    }
  };
  visit(resolve.root);
  const order = (/** @type {Crate} */ { name, version }) => `${name} ${version}`;
  return [...linked].sort((one, other) => (order(one) < order(other) ? -1 : 1));
}

/** @param {Crate} crate */
function notice({ name, version, license, authors, manifest_path: manifest }) {
  if (license === null) throw new Failure(`${name} ${version} does not say under which licence it is`);
  const folder = path.dirname(manifest);
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file)).sort();
  // Of two licences to choose from, it is this one.
  const chosen = files.filter((file) => /mit/i.test(file));
  const texts = (chosen.length > 0 ? chosen : files).map((file) => readFileSync(path.join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
  if (texts.length === 0) texts.push(withoutText(license, `${name} ${version}`, authors));
  return `${name} ${version}\nLicence: ${license}\n\n${texts.join('\n\n')}\n`;
}

/**
 * @param {string} license
 * @param {string} crate
 * @param {string[]} authors
 */
function withoutText(license, crate, authors) {
  if (license !== 'MIT') throw new Failure(`${crate} comes without the text of its licence, ${license}`);
  return MIT.replace('OWNER', authors.join(', ') || `the authors of ${crate}`);
}

const MIT = `Copyright (c) OWNER

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of
the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR
A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN
ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
