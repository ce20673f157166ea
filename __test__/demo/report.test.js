'use strict';

// What the demo prints: progress, table, chart, and where two values part.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const report = import('../../demo/report.mjs');
const stage = import('../../demo/stage.mjs');
const progress = import('../../demo/progress.mjs');

test('a table aligns words to the left and numbers to the right', async () => {
  const { table } = await report;
  assert.equal(table(['what', 'n'], [['a', '1000'], ['longer', '5']]), [
    'what       n',
    '------  ----',
    'a       1000',
    'longer     5',
  ].join('\n'));
});

test('a chart gives the warmest month the whole width and frost no bar', async () => {
  const { temperatureChart } = await report;
  const lines = temperatureChart([-5, 10, 20]).split('\n');
  assert.deepEqual(lines.map((line) => line.match(/#*$/)?.[0].length), [0, 20, 40]);
  assert.match(lines[0], /^Jan {2}-5\.0 °C/);
});

test('a report tells equal from different and says where they part', async () => {
  const { Report } = await stage;
  const checks = new Report();
  checks.equal('same', [{ a: 1 }], [{ a: 1 }]);
  checks.equal('entry', [1, 2, 3], [1, 5, 3]);
  checks.equal('length', [1], [1, 2]);
  assert.equal(checks.passed, 1);
  assert.deepEqual(checks.failures, ['entry: entry 1 is 2, expected 5', 'length: 1 entries, 2 expected']);
});

test('progress is a few plain lines where there is no terminal, and one redrawn line where there is', async () => {
  const { Progress } = await progress;
  for (const [isTTY, lineCount] of [[false, 5], [true, 1]]) {
    let text = '';
    const shown = new Progress('rows', 100, { isTTY, write: (part) => { text += part; } });
    for (let step = 0; step < 100; step += 1) shown.add(1);
    assert.equal(text.split('\n').length - 1, lineCount, text);
    assert.ok(text.endsWith('rows: 100 of 100 (100 %)\n'));
  }
});
