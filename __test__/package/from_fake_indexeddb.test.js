'use strict';

// Goal: docs/from-fake-indexeddb.md tells the truth. What is the same: exports.test.js and libraries.test.js.
// Method: one program for each difference of the page (differences.js), run on both implementations in processes of their own.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { DIFFERENCES, SIMILARITIES } = require('./differences.js');
const { ROOT } = require('./installation.js');

/** @param {string} module */
function seenIn(module) {
  return JSON.parse(execFileSync(process.execPath, [path.join(__dirname, 'differences.js'), module], { encoding: 'utf8', timeout: 60_000 }));
}

const theirs = seenIn('fake-indexeddb');
const ours = seenIn(ROOT);

for (const [title, difference] of Object.entries(DIFFERENCES)) {
  test(title, () => {
    assert.notDeepEqual(difference.theirs, difference.ours);
    assert.deepEqual(theirs[title], difference.theirs);
    assert.deepEqual(ours[title], difference.ours);
  });
}

for (const [title, { both }] of Object.entries(SIMILARITIES)) {
  test(`as before: ${title}`, () => {
    assert.deepEqual(theirs[title], both);
    assert.deepEqual(ours[title], both);
  });
}

test('the page has these and no others', () => {
  const page = fs.readFileSync(path.join(ROOT, 'docs', 'from-fake-indexeddb.md'), 'utf8');
  const titles = [...page.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map((match) => match[1]);
  assert.deepEqual(titles, Object.keys(DIFFERENCES));
  const same = [...page.matchAll(/^- (.+?)[;.]/gm)].map((match) => match[1]);
  assert.deepEqual(same, Object.keys(SIMILARITIES));
});
