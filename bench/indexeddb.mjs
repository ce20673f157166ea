// IndexedDB beside fake-indexeddb: node bench/indexeddb.mjs [--rounds 5] [--objects 100000] [--rows TEXT]
// [--implementations memory,disk,fake] [--json]. Each measurement is a process of its own; the implementations take turns within each
// round, so that a slow minute of the machine meets all of them; medians are told.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { WORKLOADS } from './indexeddb/workloads.mjs';

const run = promisify(execFile);
const CHILD = fileURLToPath(new URL('indexeddb/child.mjs', import.meta.url));

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    objects: { type: 'string', default: '100000' },
    rows: { type: 'string', default: '' },
    implementations: { type: 'string', default: 'memory,disk,fake' },
    json: { type: 'boolean', default: false },
  },
});
const implementations = options.implementations.split(',');
const names = Object.keys(WORKLOADS).filter((name) => name.includes(options.rows));

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function measure(implementation, name) {
  const { stdout } = await run(process.execPath, [CHILD, implementation, name, options.objects]);
  return JSON.parse(stdout);
}

/** Medians of the speed; of memory and stalls the worst. */
function summarize(samples) {
  return {
    perSecond: median(samples.map(({ perSecond }) => perSecond)),
    cpuMicroseconds: median(samples.map(({ cpuMicroseconds }) => cpuMicroseconds)),
    peakMegabytes: Math.max(...samples.map(({ peakMegabytes }) => peakMegabytes)),
    stallMilliseconds: Math.max(...samples.map(({ stallMilliseconds }) => stallMilliseconds)),
  };
}

async function measureRow(name) {
  const samples = Object.fromEntries(implementations.map((implementation) => [implementation, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const implementation of implementations) samples[implementation].push(await measure(implementation, name));
  }
  const row = { name };
  for (const implementation of implementations) row[implementation] = summarize(samples[implementation]);
  return row;
}

const thousands = (perSecond) => (perSecond >= 10_000 ? `${(perSecond / 1000).toFixed(0)}k` : perSecond.toFixed(0));
const ratio = (row, one, other) => (row[one] && row[other] ? row[one].perSecond / row[other].perSecond : undefined);
const cpu = (row, one, other) => (row[one] && row[other] ? row[other].cpuMicroseconds / row[one].cpuMicroseconds : undefined);
const list = (row, field, digits) => implementations.map((each) => row[each][field].toFixed(digits)).join(' / ');

function markdown(row) {
  const speeds = implementations.map((each) => thousands(row[each].perSecond)).join(' | ');
  const ratios = [ratio(row, 'memory', 'fake'), cpu(row, 'memory', 'fake'), ratio(row, 'memory', 'disk')];
  const cells = ratios.map((each) => each?.toFixed(2) ?? '-').join(' | ');
  return `| ${row.name} | ${speeds} | ${cells} | ${list(row, 'cpuMicroseconds', 1)} | ${list(row, 'peakMegabytes', 0)} | ${list(row, 'stallMilliseconds', 0)} |`;
}

const rows = [];
if (!options.json) {
  console.log(`| operations per second | ${implementations.join(' | ')} | memory : fake | the same by CPU time | memory : disk | CPU us | peak MB | longest stall ms |`);
  console.log(`|---|${'---|'.repeat(implementations.length + 6)}`);
}
for (const name of names) {
  const row = await measureRow(name);
  rows.push(row);
  if (!options.json) console.log(markdown(row));
}
const logarithms = rows.map((row) => ratio(row, 'memory', 'fake')).filter((each) => each !== undefined).map(Math.log);
const mean = Math.exp(logarithms.reduce((sum, each) => sum + each, 0) / logarithms.length);
if (options.json) console.log(JSON.stringify({ node: process.version, ...options, rows }));
else if (logarithms.length > 1) console.log(`\nGeometric mean of memory : fake: ${mean.toFixed(2)}`);
