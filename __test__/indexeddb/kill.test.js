'use strict';

// Goal: of a process that is killed every transaction whose `complete` fired is there whole, none in part, and what is there is a
// prefix of all in their order; records, index entries, key generators and schema, relaxed, strict and version changes.
// Method: a child process commits random transactions and tells what it does; it is killed at a random moment, and this process opens
// the directory and compares all of it with a model. Again and again on one directory. FLOWDB_SEED is the first seed,
// FLOWDB_SEEDS how many there are.

const test = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { directory } = require('../fixture');
const { Random } = require('../support/random_value');
const { Model, contents } = require('./kill/model');
const { transactionOf } = require('./kill/transactions');

const SEED_FIRST = Number(process.env.FLOWDB_SEED ?? 1);
const SEEDS = Number(process.env.FLOWDB_SEEDS ?? 1);
const ROUNDS = 6;
const LINES_MAX = 150;
const DELAY_MS_MAX = 8;

/**
 * Lets a writer work for a while.
 * @param {string[]} args
 * @param {number} lines after so many lines it is killed
 * @param {number} delay and after so many milliseconds
 * @returns {Promise<{ begun: number, complete: number }>} the last transactions that it told of
 */
function writeAndKill(args, lines, delay) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(__dirname, 'kill', 'writer.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    let isDoomed = false;
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      if (isDoomed || output.split('\n').length <= lines) return;
      isDoomed = true;
      setTimeout(() => child.kill('SIGKILL'), delay);
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the writer ended with ${status}: ${output.slice(-1000)}`));
      const last = (/** @type {string} */ word) => Math.max(0, ...output.split('\n').slice(0, -1).filter((line) => line.startsWith(word)).map((line) => Number(line.split(' ')[1])));
      return resolve({ begun: last('begin'), complete: last('complete') });
    });
  });
}

/**
 * @param {import('node:test').TestContext} t
 * @param {number} seed
 */
async function killAgainAndAgain(t, seed) {
  const folder = directory(t);
  const random = new Random(seed);
  const model = new Model();
  for (let round = 0; round < ROUNDS; round++) {
    const { begun, complete } = await writeAndKill([folder, String(seed), String(round)], 1 + random.below(LINES_MAX), random.below(DELAY_MS_MAX));
    const found = await contents(folder);
    const what = `seed ${seed}, round ${round}: ${complete} of ${begun} complete, ${found.last} found`;
    assert.ok(found.last >= Math.max(complete, model.last) && found.last <= Math.max(begun, model.last), what);
    for (let number = model.last + 1; number <= found.last; number++) model.apply(transactionOf(seed, round, number));
    assert.deepStrictEqual(found, model.contents(), what);
  }
  assert.ok(model.last > 0);
}

test('what is complete when the process is killed is there, whole and in order', async (t) => {
  t.diagnostic(`FLOWDB_SEED=${SEED_FIRST} FLOWDB_SEEDS=${SEEDS}`);
  for (let seed = SEED_FIRST; seed < SEED_FIRST + SEEDS; seed++) await killAgainAndAgain(t, seed);
});
