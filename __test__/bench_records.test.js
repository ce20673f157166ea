'use strict';

// The benchmark of the record API runs with nothing but flowdb, gets right answers in every row, and makes its table of medians and ratios as it says.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { ROOT, directory } = require('./fixture.js');
const { WORKLOADS } = require('../bench/records/workloads.js');

/** @param {string[]} args */
function run(...args) {
  return spawnSync(process.execPath, [path.join(ROOT, 'bench', 'records.mjs'), ...args], { cwd: ROOT, encoding: 'utf8' });
}

test('every row, small', (t) => {
  const dir = directory(t);
  const json = path.join(dir, 'measured');
  const { status, stdout, stderr } = run('--records', '2000', '--rounds', '1', '--engines', 'flowdb,map', '--dir', dir, '--json', json);
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout, /wrong/);
  const rows = stdout.split('\n').filter((line) => line.startsWith('|')).slice(2).map((line) => line.split(' | ')[0].slice(2));
  assert.deepEqual(rows, [...WORKLOADS.map(({ name }) => name), 'open + first get', 'disk after load random', 'disk after overwrite random']);
  assert.deepEqual(fs.readdirSync(dir), ['measured']);
  assert.equal(run('--engines', 'flowdb,map', '--from', json).stdout, stdout);
});

test('the rows of disk alone, with the loads that they need', (t) => {
  const dir = directory(t);
  const { stdout } = run('--records', '500', '--rounds', '1', '--engines', 'flowdb', '--rows', 'disk', '--dir', dir);
  const rows = stdout.split('\n').slice(2, 6).map((line) => line.split(' | ')[0].slice(2));
  assert.deepEqual(rows, ['load random', 'overwrite random', 'disk after load random', 'disk after overwrite random']);
});

test('medians, ratios to the best of those that each row is compared with, and wrong answers', (t) => {
  const json = path.join(directory(t), 'measured');
  const measured = [
    ['load random', 'flowdb', [100, 300, 200]], ['load random', 'lmdb', [50, 50, 50]], ['load random', 'classic-level', [90, 100, 1000]],
    ['open + first get', 'flowdb', [24, 16]], ['open + first get', 'lmdb', [5]], ['open + first get', 'classic-level', [10]],
    ['load random', 'rocksdb', [900]], ['disk after load random', 'flowdb', [10]], ['disk after load random', 'lmdb', [1]], ['disk after load random', 'rocksdb', [12]],
  ].flatMap(([row, engine, values]) => /** @type {number[]} */ (values).map((value) => ({ row, engine, value, delayMs: value / 10, right: true })));
  const write = () => fs.writeFileSync(json, measured.map((one) => JSON.stringify(one)).join('\n'));
  write();
  const cells = () => run('--from', json).stdout.split('\n').slice(2, 5).map((line) => line.split(' | '));
  const [load, opening, disk] = cells();
  assert.ok(load.includes('200 (20 ms)') && load.includes('2.00x'), load.join());
  assert.ok(opening.includes('0.25x'), opening.join());
  assert.ok(disk.includes('1.20x'), disk.join());
  measured[0].right = false;
  write();
  const { status, stdout } = run('--from', json);
  assert.equal(status, 1);
  assert.match(stdout, /^\| load random .* wrong /m);
});
