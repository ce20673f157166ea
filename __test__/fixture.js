'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { open } = require('../index.js');

const ROOT = path.dirname(__dirname);

/** @type {WeakMap<object, (() => unknown)[]>} */
const cleanups = new WeakMap();

/**
 * Runs `cleanup` after the test, before those that were registered earlier: what was opened last is closed first.
 *
 * @param {import('node:test').TestContext} t
 * @param {() => unknown} cleanup
 */
function afterTest(t, cleanup) {
  const registered = cleanups.get(t);
  if (registered) {
    registered.unshift(cleanup);
    return;
  }
  const all = [cleanup];
  cleanups.set(t, all);
  t.after(async () => { for (const one of all) await one(); });
}

/**
 * A directory for one test, removed after it.
 *
 * @param {import('node:test').TestContext} t
 */
function directory(t) {
  const dir = mkdtempSync(path.join(tmpdir(), 'flowdb-test-'));
  afterTest(t, () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/**
 * A database for one test, closed after it.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} [options] in memory unless they have a path
 */
async function database(t, options = {}) {
  const db = await open('path' in options ? options : { memory: true, ...options });
  afterTest(t, () => db.close());
  return db;
}

/**
 * Runs a script in a process of its own, which finds `open` and `FlowDBError`.
 *
 * @param {string} source
 * @param {{ args?: string[], env?: Record<string, string>, nodeOptions?: string[] }} [options]
 * @returns {Promise<{ code: number | null, signal: string | null, output: string }>}
 */
function run(source, options) {
  return runBare(`const { open, FlowDBError } = require(${JSON.stringify(ROOT)});\n${source}`, options);
}

/**
 * The same, without the library.
 *
 * @param {string} source
 * @param {{ args?: string[], env?: Record<string, string>, nodeOptions?: string[] }} [options]
 * @returns {Promise<{ code: number | null, signal: string | null, output: string }>}
 */
function runBare(source, { args = [], env = {}, nodeOptions = [] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeOptions, '-e', source, ...args], { env: { ...process.env, ...env } });
    let output = '';
    child.stdout.on('data', (text) => { output += text; });
    child.stderr.on('data', (text) => { output += text; });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

/**
 * That a process of `run` ended by killing itself, and said nothing. Windows knows no signals: there it ends with status 1, as it would with an error, which it would tell.
 *
 * @param {{ code: number | null, signal: string | null, output: string }} ending
 */
function assertKilled({ code, signal, output }) {
  assert.deepEqual([code, signal, output], process.platform === 'win32' ? [1, null, ''] : [null, 'SIGKILL', '']);
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

/**
 * Tries until it holds, for some seconds.
 *
 * @param {() => unknown} condition
 */
async function eventually(condition) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await condition()) return true;
    await pause(25);
  }
  return false;
}

module.exports = { ROOT, assertKilled, database, directory, eventually, pause, run, runBare };
