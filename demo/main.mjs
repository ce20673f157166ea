// The main job on real data: store it, ask for it, reopen it, survive a kill. Exit status 1 if any check fails.
//
//     npm run demo                  in a temporary directory, removed afterwards
//     npm run demo -- folder        in a new folder, kept
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killWriter } from './crash.mjs';
import { diskUse, size, temperatureChart, timesTable } from './report.mjs';
import { runStage } from './stage.mjs';

/** @typedef {import('./stage.mjs').Outcome} Outcome */
/** @typedef {{ title: string, outcome: Outcome, disk: ReturnType<typeof diskUse> }} Part */

/** @param {string | undefined} folder */
function makeDirectory(folder) {
  if (folder === undefined) return mkdtempSync(path.join(tmpdir(), 'flowdb-demo-'));
  const directory = path.resolve(folder);
  mkdirSync(directory, { recursive: true });
  if (readdirSync(directory).length > 0) throw new Error(`${directory} is not empty: the demo wants a folder of its own`);
  return directory;
}

/**
 * @param {string} title
 * @param {string} directory
 * @param {() => Promise<Outcome>} run
 * @returns {Promise<Part>}
 */
async function part(title, directory, run) {
  console.log(`\n${title}`);
  const outcome = await run();
  console.log(`  ${outcome.passed} checks passed, ${outcome.failures.length} failed`);
  for (const failure of outcome.failures) console.log(`  FAILED ${failure}`);
  return { title, outcome, disk: diskUse(directory) };
}

/**
 * @param {string} directory
 * @returns {Promise<Outcome>}
 */
async function killAndCheck(directory) {
  const { acknowledged, extraMs, ending } = await killWriter(directory);
  console.log(`  the writer ended with ${ending}, ${extraMs} ms after it was marked; it had been told that`
    + ` ${acknowledged.readings} readings and ${acknowledged.orders} transactions were stored`);
  const outcome = await runStage('crash-check.mjs', directory, JSON.stringify(acknowledged));
  const { found } = outcome.facts;
  if (found) console.log(`  found: ${found.readings} readings, ${found.orders} transactions`);
  if (ending !== 'SIGKILL') outcome.failures.push(`the writer ended with ${ending} instead of being killed while it wrote`);
  return outcome;
}

/** @param {Part[]} parts */
function printResults(parts) {
  for (const { title, outcome: { rows }, disk } of parts) {
    console.log(`\n${title}`);
    if (rows.length > 0) console.log(timesTable(rows));
    console.log(`on disk: ${size(disk.bytes)} in ${disk.files} files, ${size(disk.allocated)} allocated`);
  }
  console.log('\nThe files are small and each step ran once in a fresh process: read the rates as orders of magnitude.');
  const { means } = parts[0].outcome.facts;
  if (means) console.log(`\nmean temperature in Seattle by month, from the database\n${temperatureChart(means)}`);
}

const directory = makeDirectory(process.argv[2]);
console.log(`flowdb demo in ${directory}`);
/** @type {[title: string, run: () => Promise<Outcome>][]} */
const PARTS = [
  ['first process: store and query', () => runStage('load.mjs', directory)],
  ['second process: reopen and query again', () => runStage('reopen.mjs', directory)],
  ['third process: killed while it writes', () => killAndCheck(directory)],
  ['last process: all of it once more', () => runStage('reopen.mjs', directory)],
];
/** @type {Part[]} */
const parts = [];
for (const [title, run] of PARTS) {
  parts.push(await part(title, directory, run));
  // Each part rests on the one before it.
  if (parts.at(-1)?.outcome.failures.length) break;
}
printResults(parts);

const failed = parts.reduce((sum, { outcome }) => sum + outcome.failures.length, 0);
const passed = parts.reduce((sum, { outcome }) => sum + outcome.passed, 0);
const keep = failed > 0 || process.argv[2] !== undefined;
if (!keep) rmSync(directory, { recursive: true, force: true });
console.log(`\n${passed} checks passed, ${failed} failed${keep ? `; the data is in ${directory}` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
