'use strict';

// Every JavaScript block of the README is a program that runs as it stands and prints what its `// ->` comments say.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');

const ROOT = path.join(__dirname, '..');
const TIMEOUT_MS = 60_000;
const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
const programs = blocks('js');

/**
 * @param {string} language
 * @returns {string[]}
 */
function blocks(language) {
  return [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].filter(([, tag]) => tag === language).map(([, , text]) => text);
}

/** @param {string} program  @returns {string[]} the lines that its comments promise */
function promisedLines(program) {
  return [...program.matchAll(/\/\/ -> (.*)$/gm)].map((match) => match[1]);
}

describe('README', () => {
  let folder = '';
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'flowdb-readme-'));
    const modules = path.join(folder, 'node_modules');
    fs.mkdirSync(modules);
    fs.symlinkSync(ROOT, path.join(modules, 'flowdb'), 'junction');
    for (const name of ['dexie', 'idb']) fs.symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name), 'junction');
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** @param {string} cwd  @param {string[]} args */
  const run = (cwd, ...args) => spawnSync(process.execPath, args, {
    cwd, env: { PATH: '', HOME: folder, SystemRoot: process.env.SystemRoot }, encoding: 'utf8', timeout: TIMEOUT_MS,
  });

  for (const [index, program] of programs.entries()) {
    test(`program ${index + 1}: ${program.split('\n').filter((line) => line.includes('flowdb')).join(' ')}`, () => {
      const cwd = path.join(folder, String(index));
      fs.mkdirSync(cwd);
      fs.writeFileSync(path.join(cwd, 'program.mjs'), program);
      const { status, stdout, stderr } = run(cwd, 'program.mjs');
      assert.equal(stderr, '');
      assert.equal(status, 0);
      assert.deepEqual(stdout.split('\n').slice(0, -1), promisedLines(program));
    });
  }

  test('its command line works', () => {
    assert.ok(readme.includes('`node --import flowdb/auto --test`'));
    fs.writeFileSync(path.join(folder, 'own.test.mjs'), `
      import test from 'node:test';
      test('own', (t, done) => { indexedDB.open('name').onsuccess = () => done(); });`);
    const { status, stdout } = run(folder, '--import', 'flowdb/auto', '--test', 'own.test.mjs');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass 1$/m);
  });

  test('it has its two main programs in ten lines each, and two commands', () => {
    for (const program of programs.slice(0, 2)) assert.ok(program.split('\n').filter(Boolean).length <= 10, program);
    assert.deepEqual(blocks('sh'), ['npm run demo\nnpm test\n']);
  });

  test('what it links to is there', () => {
    const links = [...readme.matchAll(/\]\((?!https:)([^)]+)\)/g)].map((match) => match[1]);
    assert.deepEqual(links.filter((link) => !fs.existsSync(path.join(ROOT, link))), []);
  });
});
