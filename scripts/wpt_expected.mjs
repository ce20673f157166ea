// Compares a result of the W3C suite, as the runner's --json writes it, with the failures that docs/wpt-expected.json explains:
//
//     node scripts/wpt_expected.mjs result.json...
//
// What fails without being on the list is an error, and so is what is on it and passes: the list only shrinks.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { main } from './run.mjs';

/**
 * @typedef {object} Result
 * @property {string} node
 * @property {{ total: number }} totals
 * @property {Record<string, { name: string, message: string | null }[]>} failures  by file
 * @property {Record<string, { status: string }>} harnessProblems  by file
 */

/**
 * @typedef {object} Expected
 * @property {Record<string, number>} subtests  how many are counted, by major version of Node
 * @property {{ file: string, name: string, node: string[], reason: string }[]} failures
 */

/**
 * @template T
 * @param {string} file
 * @returns {T}
 */
function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Failure(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * @param {Result} result
 * @param {Expected} expected
 * @returns {string[]} what differs
 */
function differences(result, expected) {
  const version = result.node.replace(/^v(\d+)\..*/, '$1');
  const count = expected.subtests[version];
  if (count === undefined) return [`Node ${version} has no list`];
  const failed = Object.entries(result.failures).flatMap(([file, list]) => list.map(({ name }) => `${file}: ${name}`));
  const listed = expected.failures.filter(({ node }) => node.includes(version)).map(({ file, name }) => `${file}: ${name}`);
  return [
    ...failed.filter((name) => !listed.includes(name)).map((name) => `fails: ${name}`),
    ...listed.filter((name) => !failed.includes(name)).map((name) => `no longer fails: ${name}`),
    ...Object.entries(result.harnessProblems).map(([file, { status }]) => `${status}: ${file}`),
    ...(result.totals.total === count ? [] : [`${result.totals.total} subtests were counted instead of ${count}`]),
  ];
}

await main(async () => {
  const files = process.argv.slice(2);
  if (files.length === 0) throw new Failure('name the results to compare: node scripts/wpt_expected.mjs result.json...');
  /** @type {Expected} */
  const expected = read(path.join(ROOT, 'docs', 'wpt-expected.json'));
  for (const file of files) {
    /** @type {Result} */
    const result = read(file);
    const found = differences(result, expected);
    if (found.length > 0) throw new Failure(`${file} (Node ${result.node}):\n${found.join('\n')}`);
    console.log(`${file}: as expected, Node ${result.node}, ${result.totals.total} subtests`);
  }
});
