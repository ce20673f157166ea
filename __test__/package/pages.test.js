'use strict';

// The programs and links of the pages on durability, Electron and bundlers.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./installation.js');

const PAGES = ['durability.md', 'electron.md', 'bundlers.md'];
const page = (/** @type {string} */ name) => fs.readFileSync(path.join(ROOT, 'docs', name), 'utf8');
const blocks = (/** @type {string} */ name, /** @type {string} */ language) => (
  [...page(name).matchAll(/^```(\w*)\n(.*?)^```$/gms)].filter(([, tag]) => tag === language).map(([, , text]) => text));

/** @type {import('./installation.js').Installation} */
let installation;
before(async () => { installation = await installed(); });
after(() => installation?.remove());

for (const [index, program] of blocks('durability.md', 'js').entries()) {
  test(`durability.md: program ${index + 1}`, { skip: process.platform === 'win32' && program.includes('SIGTERM') && 'Windows has no signals' }, () => {
    const check = `import { open as again } from 'flowdb';
      const database = await again('data');
      console.log((await database.scan({ values: false }).all()).join());
      await database.close();`;
    fs.rmSync(path.join(installation.project, 'data'), { recursive: true, force: true });
    assert.equal(installation.run('program.mjs', program), '');
    assert.equal(installation.run('check.mjs', check).trim(), ['order:1,seen', 'key'][index]);
  });
}

test('there are such programs', () => assert.equal(blocks('durability.md', 'js').length, 2));

for (const name of PAGES) {
  test(`${name}: settings are valid, links lead somewhere`, () => {
    for (const text of blocks(name, 'json')) JSON.parse(text);
    const links = [...page(name).matchAll(/\]\((?!https:)([^)#]+)/g)].map((match) => match[1]);
    assert.deepEqual(links.filter((link) => !fs.existsSync(path.join(ROOT, 'docs', link))), []);
  });
}
