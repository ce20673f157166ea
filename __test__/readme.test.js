'use strict';

// Every JavaScript block of the README is a program that runs as it stands, beside an installed package in an otherwise empty folder, and prints what its `// ->`
// comments say. What they import besides is installed there, too.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { installed } = require('./package/installation.js');

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
  /** @type {import('./package/installation.js').Installation} */
  let installation;
  let folder = '';
  before(async () => {
    installation = await installed();
    folder = installation.project;
    for (const name of ['dexie', 'idb']) installation.borrow(name);
  });
  after(() => installation?.remove());

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

  // As someone would who tries them one after the other: all of them name the same directory, and find what was there.
  test('all of them print the same in one folder, and again', () => {
    const cwd = path.join(folder, 'one');
    fs.mkdirSync(cwd);
    for (const round of [1, 2]) {
      for (const [index, program] of programs.entries()) {
        fs.writeFileSync(path.join(cwd, 'program.mjs'), program);
        const { status, stdout, stderr } = run(cwd, 'program.mjs');
        assert.deepEqual([status, stderr, stdout.split('\n').slice(0, -1)], [0, '', promisedLines(program)], `program ${index + 1}, round ${round}`);
      }
    }
  });

  test('its command line works', () => {
    assert.ok(readme.includes('`node --import flowdb/auto --test`'));
    fs.writeFileSync(path.join(folder, 'own.test.mjs'), `
      import test from 'node:test';
      test('own', (t, done) => { indexedDB.open('name').onsuccess = () => done(); });`);
    const { status, stdout } = run(folder, '--import', 'flowdb/auto', '--test', 'own.test.mjs');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass 1$/m);
  });

  test('all of its blocks are programs or commands', () => {
    const fences = readme.match(/^```/gm) ?? [];
    assert.equal(fences.length, 2 * (programs.length + blocks('sh').length));
  });

  test('it has its two main programs in ten lines each, two commands, and those that install it', () => {
    for (const program of programs.slice(0, 2)) assert.ok(program.split('\n').filter(Boolean).length <= 10, program);
    assert.deepEqual(blocks('sh'), [
      'npm run demo\nnpm test\n',
      'npm ci && npm run build && node scripts/pack.mjs tarballs\ncd ../your-project && npm install ../flowdb/tarballs/*.tgz\n',
    ]);
  });

  test('what it links to is there', () => {
    const links = [...readme.matchAll(/\]\((?!https:)([^)]+)\)/g)].map((match) => match[1]);
    assert.deepEqual(links.filter((link) => !fs.existsSync(path.join(ROOT, link))), []);
  });
});
