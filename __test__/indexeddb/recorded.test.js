'use strict';

// Goal: flowdb does what a browser does. Method: random programs (schemas, transactions that overlap, cursors, aborts, errors,
// exceptions, version changes, wrong arguments) whose log of results and events was recorded in Chromium run here in
// memory and on disk, where each of their restarts closes the directory. `npm run record` records them anew, `npm run record -- show 17`
// shows the log of one. Without FLOWDB_SEEDS a part of them runs.

const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { directory } = require('../fixture');
const { generate } = require('./recorded/generator');
const { hashOf, readRecording } = require('./recorded/recording');

const RUN = path.join(__dirname, 'recorded', 'run.js');
const OUTPUT_BYTES_MAX = 2 ** 28;
const { programs } = readRecording();
const { FLOWDB_SEEDS } = process.env;

/**
 * Runs the first programs and compares their logs.
 * @param {number} count
 * @param {string[]} folder
 */
async function replay(count, ...folder) {
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, '1', String(count), ...folder], { maxBuffer: OUTPUT_BYTES_MAX });
  /** @type {string[]} */
  const logs = JSON.parse(stdout);
  assert.strictEqual(logs.length, count);
  for (const [i, log] of logs.entries()) assert.strictEqual(log, programs[i].log, `program ${i + 1}`);
}

test('what is recorded is what the generator makes', () => {
  assert.ok(programs.length >= 200);
  for (const [i, { hash }] of programs.entries()) assert.strictEqual(hashOf(generate(i + 1)), hash, `program ${i + 1}: record anew`);
});

test('in memory everything happens as in Chromium', async () => {
  await replay(Number(FLOWDB_SEEDS ?? 250));
});

test('on disk everything happens as in Chromium', async (t) => {
  await replay(Number(FLOWDB_SEEDS ?? 80), directory(t));
});
