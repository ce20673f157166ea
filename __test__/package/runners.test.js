'use strict';

// Goal: flowdb/auto is a good citizen of the test runners, with the configuration that docs/test-runners.md gives.
// Method: the installed package, each runner from npm, one suite of what tests rely on (runners/suite.mjs), and one whose
// listeners throw. Each run must end by itself.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { ROOT, ecosystemMissing, installedWithEcosystem } = require('./installation.js');

const TESTS_OF_SUITE = 12;
const POOLS = [['threads', 'node'], ['threads', 'jsdom'], ['forks', 'node'], ['vmThreads', 'node'], ['vmThreads', 'jsdom'], ['threads', 'happy-dom'], ['vmThreads', 'happy-dom']];
const ENVIRONMENTS = ['node', 'jsdom'];

const PAGE = fs.readFileSync(path.join(ROOT, 'docs', 'test-runners.md'), 'utf8');

/** @param {string} name  of a file whose contents docs/test-runners.md gives */
function recipe(name) {
  const block = [...PAGE.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]).find((text) => text.startsWith(`// ${name}\n`));
  assert.ok(block, `docs/test-runners.md no longer gives ${name}`);
  return block;
}

const source = (name) => fs.readFileSync(path.join(__dirname, 'runners', name), 'utf8');
const suiteModule = source('suite.mjs');
const suiteCommonJs = suiteModule.replace('export default function', 'module.exports = function');

/** A test whose listener throws: nothing but the report of that exception can make it fail. */
const failing = (imports) => `${imports}
test('a listener throws', async () => {
  await new Promise((resolve) => {
    const request = indexedDB.open('throws');
    request.onsuccess = () => { setTimeout(resolve, 20); throw new Error('thrown in a listener'); };
  });
});`;

describe('test runners', { skip: ecosystemMissing() }, () => {
  /** @type {import('./installation.js').Installation} */
  let installation;
  before(async () => { installation = await installedWithEcosystem(); });
  after(() => installation?.remove());

  /** @param {string} file  below node_modules of ecosystem/ */
  const program = (file) => path.join(installation.folder, 'node_modules', file);

  /**
   * @param {string} folder
   * @param {Record<string, string>} files
   */
  function project(folder, files) {
    for (const [name, text] of Object.entries(files)) installation.write(path.join(folder, name), text);
    return (/** @type {string[]} */ ...args) => installation.attempt(folder, args);
  }

  /** @param {{ status: unknown, output: string }} run */
  function assertPassed({ status, output }) {
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /did not exit|open handle|failed to exit|close timed out/i);
  }

  /** @param {{ status: unknown, output: string }} run */
  function assertFailed({ status, output }) {
    assert.equal(typeof status, 'number', `ended by ${status}: ${output}`);
    assert.notEqual(status, 0, output);
    assert.match(output, /thrown in a listener/);
  }

  const jestFiles = {
    'jest.config.js': recipe('jest.config.js'),
    'projects.config.js': `module.exports = { projects: ${JSON.stringify(ENVIRONMENTS)}.map((testEnvironment) =>
      ({ ...require('./jest.config.js'), testEnvironment, displayName: testEnvironment })) };`,
    'suite.js': suiteCommonJs,
    'flowdb.test.js': source('jest.js'),
    'failing.test.js': failing(''),
  };

  it('jest, in the environments node and jsdom, with coverage', () => {
    const run = project('jest', jestFiles)(program('jest/bin/jest.js'), '-c', 'projects.config.js', '--coverage', 'flowdb.test.js');
    assertPassed(run);
    assert.match(run.output, new RegExp(`Tests: +${2 * (TESTS_OF_SUITE + 5)} passed`));
    assert.match(run.output, /suite\.js *\|/);
  });

  it('jest with the configuration as given; a listener that throws fails the test', () => {
    const jest = project('jest', jestFiles);
    assertFailed(jest(program('jest/bin/jest.js'), 'failing.test.js'));
  });

  const vitestFiles = {
    'vitest.config.mjs': recipe('vitest.config.mjs'),
    'projects.config.mjs': `import { defineConfig } from 'vitest/config';
      export default defineConfig({ test: { projects: ${JSON.stringify(POOLS)}.map(([pool, environment]) =>
        ({ extends: './vitest.config.mjs', test: { name: pool + ' ' + environment, pool, environment } })) } });`,
    'suite.mjs': suiteModule,
    'flowdb.test.mjs': source('vitest.mjs'),
    'failing.test.mjs': failing("import { test } from 'vitest';"),
  };

  it('vitest, in its pools and in the environments node, jsdom and happy-dom, with coverage', () => {
    const vitest = project('vitest', vitestFiles);
    const run = vitest(program('vitest/vitest.mjs'), 'run', '-c', 'projects.config.mjs', '--coverage', 'flowdb.test.mjs');
    assertPassed(run);
    assert.match(run.output, new RegExp(`Tests +${POOLS.length * (TESTS_OF_SUITE + 2)} passed`));
    assert.match(run.output, /suite\.mjs *\|/);
  });

  it('vitest with the configuration as given; a listener that throws fails the run', () => {
    assertFailed(project('vitest', vitestFiles)(program('vitest/vitest.mjs'), 'run', 'failing.test.mjs'));
  });

  const mochaFiles = {
    '.mocharc.cjs': recipe('.mocharc.cjs'),
    'suite.js': suiteCommonJs,
    'flowdb.test.js': source('mocha.js'),
    'failing.test.js': failing('const test = it;'),
  };

  it('mocha, with fake timers of sinon and coverage', () => {
    const mocha = project('mocha', mochaFiles);
    const run = mocha(program('c8/bin/c8.js'), 'node', program('mocha/bin/mocha.js'), 'flowdb.test.js');
    assertPassed(run);
    assert.match(run.output, new RegExp(`${TESTS_OF_SUITE + 2} passing`));
    assert.match(run.output, /suite\.js *\|/);
  });

  it('mocha: a listener that throws fails the test', () => {
    assertFailed(project('mocha', mochaFiles)(program('mocha/bin/mocha.js'), 'failing.test.js'));
  });

  const nodeFiles = {
    'suite.mjs': suiteModule,
    'flowdb.test.mjs': source('node.mjs'),
    'failing.test.mjs': failing("import { test } from 'node:test';"),
  };
  const nodeArguments = PAGE.match(/```sh\nnode (--import .*)\n```/)?.[1].split(' ') ?? [];

  it('node:test, with coverage', () => {
    const run = project('node', nodeFiles)(...nodeArguments, '--experimental-test-coverage', 'flowdb.test.mjs');
    assertPassed(run);
    assert.match(run.output, new RegExp(`pass ${TESTS_OF_SUITE + 1}\\b`));
    assert.match(run.output, /suite\.mjs *\|/);
  });

  it('node:test with the globals of happy-dom', () => {
    const register = "import { GlobalRegistrator } from '@happy-dom/global-registrator';\nGlobalRegistrator.register();\n";
    const run = project('happy-dom', { ...nodeFiles, 'register.mjs': register })('--import', './register.mjs', ...nodeArguments, 'flowdb.test.mjs');
    assertPassed(run);
    assert.match(run.output, new RegExp(`pass ${TESTS_OF_SUITE + 1}\\b`));
  });

  it('node:test: a listener that throws fails the test', () => {
    assertFailed(project('node', nodeFiles)(...nodeArguments, 'failing.test.mjs'));
  });
});
