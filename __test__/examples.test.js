'use strict';

// Every program of examples/ runs from an installed package in an empty folder and prints what its `// ->` comments say, also when it is started
// again on the same data. Electron is played by a small module; what is looked at is what the example does with it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { ROOT, installed } = require('./package/installation.js');

const FOLDER = path.join(ROOT, 'examples');
const programs = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.mjs'));

/** @type {import('./package/installation.js').Installation} */
let installation;
before(async () => { installation = await installed(); });
after(() => installation?.remove());

/** @param {string} program  @returns {string[]} the lines that its comments promise */
const promisedLines = (program) => [...program.matchAll(/\/\/ -> (.*)$/gm)].map((match) => match[1]);

for (const name of programs) {
  test(name, () => {
    const program = fs.readFileSync(path.join(FOLDER, name), 'utf8');
    const promised = promisedLines(program);
    assert.ok(promised.length > 0, 'it promises nothing');
    const output = installation.run(name, program, installation.data(name));
    assert.deepEqual(output.split('\n').slice(0, -1), promised);
  });
}

test('indexeddb.mjs finds what it wrote when it is started again', () => {
  const program = fs.readFileSync(path.join(FOLDER, 'indexeddb.mjs'), 'utf8');
  installation.run('again.mjs', program, installation.data('again'));
  assert.match(installation.run('again.mjs', program, installation.data('again')), /^buy milk, fix the lamp, buy milk, fix the lamp\n4\n$/);
});

test('cache.mjs has its answers from the disk when it is started again', () => {
  const program = fs.readFileSync(path.join(FOLDER, 'cache.mjs'), 'utf8');
  installation.run('cached.mjs', program, installation.data('cached'));
  assert.equal(installation.run('cached.mjs', program, installation.data('cached')), '20 9 after 0 call\n0\n');
});

// Prints what the app did, answers two calls of a window, and quits as Electron does: `before-quit` until nobody prevents it.
const ELECTRON = `
  const { EventEmitter } = require('node:events');
  const handlers = new Map();
  class BrowserWindow {
    static getAllWindows() { return []; }
    async loadFile(file) {
      require('node:fs').accessSync(file);
      const invoke = (name, ...args) => handlers.get(name)({}, ...args);
      const before = await invoke('settings:get', 'theme');
      await invoke('settings:set', 'theme', 'dark');
      console.log(String(before), await invoke('settings:get', 'theme'));
      app.quit();
      if (process.argv[4] === 'twice') app.quit();
    }
  }
  const app = Object.assign(new EventEmitter(), {
    whenReady: async () => {},
    getPath: () => process.argv[2],
    requestSingleInstanceLock: () => process.argv[3] !== 'second',
    exit: (code) => process.exit(code),
    quit() {
      let prevented = false;
      app.emit('before-quit', { preventDefault: () => { prevented = true; } });
      console.log(prevented ? 'closing' : 'quit');
    },
  });
  module.exports = { app, BrowserWindow, ipcMain: { handle: (name, handler) => handlers.set(name, handler) } };`;

test('electron/main.js keeps settings, closes before it quits, and leaves a second instance outside', () => {
  const electron = path.join(installation.project, 'node_modules', 'electron');
  fs.mkdirSync(electron);
  fs.writeFileSync(path.join(electron, 'index.js'), ELECTRON);
  fs.cpSync(path.join(FOLDER, 'electron'), installation.project, { recursive: true });
  const program = fs.readFileSync(path.join(FOLDER, 'electron', 'main.js'), 'utf8');
  const data = installation.data('electron');
  assert.equal(installation.run('main.js', program, data, 'first'), 'undefined dark\nclosing\nquit\n');
  assert.equal(installation.run('main.js', program, data, 'first'), 'dark dark\nclosing\nquit\n');
  assert.equal(installation.run('main.js', program, data, 'second'), 'quit\n');
  const twice = installation.run('main.js', program, data, 'first', 'twice');
  assert.equal(twice, 'dark dark\nclosing\nclosing\nquit\n', 'the second time it is still closing');
});
