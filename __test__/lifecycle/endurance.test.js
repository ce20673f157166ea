'use strict';

// A bit of everything, again and again: every answer is right, and no file or handle is left behind. `node scripts/endurance.mjs`
// goes on for an hour, and looks at memory and threads too.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { ROOT } = require('../fixture.js');

const endurance = import(pathToFileURL(path.join(ROOT, 'scripts', 'endurance.mjs')).href);
const seed = Number(process.env.FLOWDB_SEED ?? Date.now() >>> 0);

test('what a process holds does not grow while it does a bit of everything', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const { endure, growth } = await endurance;
  const samples = await endure({ seconds: 15, seed });
  const { files, handles } = growth(samples);
  assert.ok(samples[samples.length - 1].steps > 0);
  assert.deepEqual({ files, handles }, { files: 0, handles: 0 });
});

test('growth is seen where there is some', async () => {
  const { growth } = await endurance;
  const steady = { second: 0, steps: 0, residentMiB: 100, heapMiB: 5, externalMiB: 1, files: 30, threads: 12, handles: 1 };
  const minutes = Array.from({ length: 40 }, (_, minute) => ({ ...steady, second: minute * 60 }));
  assert.deepEqual(growth(minutes), { memoryMiBPer10Minutes: 0, files: 0, threads: 0, handles: 0 });
  const leaking = minutes.map((sample, minute) => ({ ...sample, residentMiB: 100 + minute / 5 + (minute % 2), files: 30 + (minute === 35 ? 1 : 0) }));
  const { memoryMiBPer10Minutes, files } = growth(leaking);
  assert.ok(Math.abs(memoryMiBPer10Minutes - 2) < 0.2, `${memoryMiBPer10Minutes}`);
  assert.equal(files, 1);
});
