'use strict';

// The demo's stages on data that is not as it should be: they say so, and end with status 1.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { open } = require('flowdb');

const ROOT = path.join(__dirname, '..', '..');
const TIMEOUT_MS = 60_000;

/** @param {string[]} args */
function runDemo(script, ...args) {
  return spawnSync(process.execPath, [path.join(ROOT, 'demo', script), ...args], {
    cwd: ROOT, env: { PATH: '', SystemRoot: process.env.SystemRoot }, encoding: 'utf8', timeout: TIMEOUT_MS,
  });
}

describe('the demo fails', () => {
  let directory = '';
  before(() => { directory = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-demo-failure-')); });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  test('when nothing is there', () => {
    const { status, stdout } = runDemo('reopen.mjs', path.join(directory, 'empty'));
    assert.equal(status, 1, stdout);
    assert.match(stdout, /the database of the documents: undefined, expected/);
  });

  test('when an acknowledged reading is missing, or there is a gap', async () => {
    const data = path.join(directory, 'gap');
    const db = await open(data);
    for (const number of [0, 1, 3]) await db.series.put('crash/readings', number, { ts: number });
    await db.close();
    const { status, stdout } = runDemo('crash-check.mjs', data, JSON.stringify({ readings: 4, orders: 0 }));
    assert.equal(status, 1, stdout);
    assert.match(stdout, /readings without a gap: entry 2 is \[ 3, 3 \], expected \[ 2, 2 \]/);
    assert.match(stdout, /every acknowledged reading: false, expected true/);
  });

  test('when it is given a folder that is in use', () => {
    fs.writeFileSync(path.join(directory, 'mine.txt'), 'mine');
    const { status, stderr } = runDemo('main.mjs', directory);
    assert.equal(status, 1);
    assert.match(stderr, /is not empty/);
  });
});
