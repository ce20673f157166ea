'use strict';

// What the scripts say when the machine is not as it should be: one line that helps, and no stack trace.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { test } = require('node:test');
const { ROOT } = require('./installation.js');

/** @param {string[]} args */
function runScript(...args) {
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT, env: { PATH: '', SystemRoot: process.env.SystemRoot }, encoding: 'utf8',
  });
  return { status, lines: stderr.trim().split('\n') };
}

test('building without cargo names the place to get it', () => {
  const { status, lines } = runScript(path.join(ROOT, 'scripts', 'build.mjs'));
  assert.equal(status, 1);
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0], /cargo was not found.*rustup/);
});

test('a Node that is too old is told so before anything else happens', () => {
  const old = `Object.defineProperty(process.versions, 'node', { value: '18.20.0' });`;
  const { status, lines } = runScript('--import', `data:text/javascript,${encodeURIComponent(old)}`, path.join(ROOT, 'scripts', 'ready.mjs'));
  assert.equal(status, 1);
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0], /needs Node 20 or newer/);
});

test('publishing the folder itself is refused', () => {
  const { status, lines } = runScript(path.join(ROOT, 'scripts', 'pack.mjs'), '--refuse-publish');
  assert.equal(status, 1);
  assert.match(lines.join(), /publish the tarballs/);
});

test('npm is found where Node for Windows has it, without a program of that name', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-npm-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const node = path.join(folder, path.basename(process.execPath));
  fs.cpSync(process.execPath, node);
  const script = path.join(folder, 'node_modules', 'npm', 'bin', 'npm-cli.js');
  fs.mkdirSync(path.dirname(script), { recursive: true });
  fs.writeFileSync(script, 'console.log("npm", ...process.argv.slice(2));');
  const program = `import { npm } from ${JSON.stringify(pathToFileURL(path.join(ROOT, 'scripts', 'run.mjs')).href)}; await npm(['pack', '--silent']);`;
  const { stdout, stderr } = spawnSync(node, ['--input-type=module', '-e', program], { encoding: 'utf8', env: { PATH: '', SystemRoot: process.env.SystemRoot } });
  assert.deepEqual([stdout, stderr], ['npm pack --silent\n', '']);
});
