'use strict';

// The arrows between the folders of JavaScript point down only (CONTRIBUTING.md, "Rooms"). Types may be those of the public entry.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.join(__dirname, '..', '..');

/** What files of a folder may require besides files of their own folder: folders, or files of the root. */
const MAY_REQUIRE = {
  common: [],
  values: ['common'],
  indexeddb: ['common', 'values', 'binding.js'],
  records: ['common', 'values', 'binding.js', 'package.json'],
};

/** @param {string} folder */
function* requirements(folder) {
  for (const file of /** @type {string[]} */ (fs.readdirSync(path.join(ROOT, folder), { recursive: true }))) {
    if (!file.endsWith('.js')) continue;
    const source = path.join(ROOT, folder, file);
    for (const [, required] of fs.readFileSync(source, 'utf8').matchAll(/\brequire\('(\.[^']*)'\)/g)) {
      const [room] = path.relative(ROOT, path.resolve(path.dirname(source), required)).split(path.sep);
      yield { file: path.join(folder, file), room };
    }
  }
}

for (const [folder, below] of Object.entries(MAY_REQUIRE)) {
  test(`${folder}/ names only what is below it`, () => {
    const required = [...requirements(folder)];
    assert.ok(required.length > 0);
    assert.deepEqual(required.filter(({ room }) => room !== folder && !below.includes(room)), []);
  });
}
