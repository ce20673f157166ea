'use strict';

// What two linters of published packages say about the tarball: are all files there that package.json names, and do the types of each
// entry say what is loaded, in CommonJS, in ES modules and in bundlers?

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { Installation, ROOT } = require('./installation.js');

/** @type {Installation} */
let installation;
let tarball = '';
before(() => {
  installation = new Installation();
  tarball = installation.pack(ROOT);
});
after(() => installation?.remove());

/**
 * @param {string} script  path inside node_modules
 * @param {string[]} args
 */
function lint(script, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT, encoding: 'utf8',
  });
  return { status, output: `${stdout}${stderr}` };
}

const publint = (/** @type {string} */ file) => lint('publint/src/cli.js', 'run', file, '--strict');

// It expands no patterns of paths, so that those of lib/ are named.
const attw = (/** @type {string} */ file) => {
  const aliases = fs.readdirSync(path.join(ROOT, 'lib')).filter((name) => name.endsWith('.js'));
  const entries = ['.', 'auto', 'package.json', ...aliases.map((name) => `lib/${path.basename(name, '.js')}`)];
  return lint('@arethetypeswrong/cli/dist/index.js', file, '--format', 'json', '--profile', 'node16', '--entrypoints', ...entries);
};

test('publint finds nothing', () => {
  const { status, output } = publint(tarball);
  assert.equal(status, 0, output);
  assert.match(output, /All good/);
});

test('attw finds nothing, in any entry', () => {
  const { status, output } = attw(tarball);
  assert.equal(status, 0, output);
  const { analysis } = JSON.parse(output);
  assert.ok(Object.keys(analysis.entrypoints).length > 10, Object.keys(analysis.entrypoints).join());
  assert.deepEqual(analysis.problems, []);
});

test('both can fail', () => {
  const folder = path.join(installation.folder, 'wrong');
  fs.mkdirSync(folder);
  const manifest = { name: 'wrong', version: '1.0.0', exports: { '.': { types: './index.d.ts', import: './index.mjs', require: './index.js' } } };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  fs.writeFileSync(path.join(folder, 'index.d.ts'), 'declare const value: number;\nexport = value;\n');
  fs.writeFileSync(path.join(folder, 'index.js'), 'module.exports = 1;\n');
  fs.writeFileSync(path.join(folder, 'index.mjs'), 'export default 1;\n');
  const wrong = installation.pack(folder);
  assert.notEqual(publint(wrong).status, 0);
  const answer = lint('@arethetypeswrong/cli/dist/index.js', wrong, '--format', 'json');
  assert.notEqual(answer.status, 0, answer.output);
});
