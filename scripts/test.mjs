// What CI runs: every check in order, stopping at the first that fails, then the test runners' closing lines again.
//
//     npm test                    everything
//     npm test -- eslint tsc      only these steps
//     npm test -- --built node    with the library that is here already, built elsewhere
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { ecosystem } from './ecosystem.mjs';
import { Failure } from './failure.mjs';
import { ROOT } from './platform.mjs';
import { ready } from './ready.mjs';
import { main, run } from './run.mjs';

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} program
 * @property {string[]} args
 * @property {RegExp} [closing]  the lines of its output that say how its tests went
 */

// Quick answers first; clippy before the tests, whose build it does not share.
/** @returns {Step[]} */
const allSteps = () => [
  { name: 'rustfmt', program: 'cargo', args: ['fmt', '--all', '--check'] },
  { name: 'eslint', ...tool('eslint/bin/eslint.js', '.') },
  { name: 'tsc', ...tool('typescript/bin/tsc', '--project', 'tsconfig.json') },
  {
    name: 'clippy',
    program: 'cargo',
    args: ['clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings'],
  },
  { name: 'rust', program: 'cargo', args: ['test', '--workspace', '--locked'], closing: /^test result: / },
  {
    name: 'node',
    program: process.execPath,
    args: ['--test', '--test-reporter=spec', ...testFiles()],
    closing: /^\S+ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/,
  },
  { name: 'demo', program: process.execPath, args: ['demo/main.mjs'] },
];

/**
 * @param {string} script  path inside node_modules
 * @param {string[]} args
 */
function tool(script, ...args) {
  return { program: process.execPath, args: [path.join(ROOT, 'node_modules', script), ...args] };
}

// Node 20 takes no glob after --test, and a shell's would differ between systems.
function testFiles() {
  return readdirSync(path.join(ROOT, '__test__'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.test\.m?js$/.test(name))
    .sort()
    .map((name) => path.join('__test__', name));
}

/** @param {string[]} names */
function chosenSteps(names) {
  const steps = allSteps();
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    throw new Failure(`no such step: ${unknown.join(', ')}. There are: ${steps.map((step) => step.name).join(', ')}`);
  }
  return names.length === 0 ? steps : steps.filter((step) => names.includes(step.name));
}

/**
 * @param {Step} step
 * @returns {Promise<string[]>} its closing lines
 */
async function runStep({ name, program, args, closing }) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  let output = '';
  const onText = closing && ((/** @type {string} */ text) => { output += text; });
  try {
    await run(program, args, { onText });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(`FAILED at ${name}: ${error.message}`);
  }
  console.log(`== ${name}: ok, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return closing ? output.split('\n').filter((line) => closing.test(line)) : [];
}

/** Without a network the tests that need it are skipped, and say so; CI must have it. */
async function ecosystemIfPossible() {
  try {
    await ecosystem();
  } catch (error) {
    if (process.env.CI || !(error instanceof Failure)) throw error;
    console.log(`test runners and clients could not be installed, their tests will be skipped: ${error.message}`);
  }
}

await main(async () => {
  const words = process.argv.slice(2);
  const built = words[0] === '--built';
  if (!built) await ready();
  const steps = chosenSteps(words.slice(built ? 1 : 0));
  if (steps.some(({ name }) => name === 'node')) await ecosystemIfPossible();
  const closing = [];
  for (const step of steps) closing.push(...await runStep(step));
  console.log(['\nall steps passed', ...closing].join('\n'));
});
