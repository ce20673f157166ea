'use strict';

// Goal: libraries that live on IndexedDB do their work on flowdb, in memory and on disk.
// Method: the installed package, each client from npm, one program for each (clients/): it opens, writes, reads and prints; a
// second process reads what the first has left in a directory. Dexie and idb: libraries.test.js.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { ecosystemMissing, installedWithEcosystem } = require('./installation.js');

const KEYVAL = [
  ['a', 'b', 'counter', [1, 2]], { n: 1 }, [[1, 2]], ['under an array', 50, null], [['x', 'y']],
];
const LOCALFORAGE = [true, [1, 2, 3], 'text', 'text/plain', ['n1', 'n3'], 2, [['n1', 1], ['n3', 2]], null];
const POUCHDB = ['hello', 100_000, true, [['a', 10], ['b', 2], ['d', null]], ['c'], 2, 'conflict'];
const POUCHDB_NODE = ['hello', 5, 'text/plain'];
const RXDB = [[['c', 7], ['a', 6]], 2, 'CONFLICT', true];
const FIREBASE = [true, true, 0, 1, 1, true];
const WEBASSEMBLY = [[1, 2, 3, 4], 4, [5, 5], 4, 65_536, 0];
const REFUSED = 'DataCloneError,DataError,DataCloneError,DataCloneError,DataError,DataError,DataError';

const CLIENTS = [
  { name: 'idb-keyval', written: [KEYVAL] },
  { name: 'localforage', written: [LOCALFORAGE], read: [LOCALFORAGE, [0, 2]] },
  { name: 'pouchdb', adapter: 'indexeddb', written: [POUCHDB] },
  { name: 'pouchdb', adapter: 'idb', written: [POUCHDB] },
  { name: 'pouchdb-node', written: [POUCHDB_NODE] },
  { name: 'rxdb', written: [RXDB] },
  { name: 'firebase', written: [FIREBASE] },
  { name: 'webassembly', written: [[...WEBASSEMBLY, REFUSED], [1, 2, 3, 4]], read: [[...WEBASSEMBLY, ''], [1, 2, 3, 4]] },
];

const BUNDLE = `
  import { buildSync } from 'esbuild';
  const contents = "export { default as PouchDB } from 'pouchdb-browser'; export { default as adapter } from 'pouchdb-adapter-indexeddb';";
  buildSync({ stdin: { contents, resolveDir: '.' }, bundle: true, platform: 'browser', format: 'esm', outfile: 'pouchdb-bundle.mjs' });`;

describe('clients', { skip: ecosystemMissing() }, () => {
  /** @type {import('./installation.js').Installation} */
  let installation;
  before(async () => {
    installation = await installedWithEcosystem();
    const folder = path.join(__dirname, 'clients');
    for (const name of fs.readdirSync(folder)) installation.write(name, fs.readFileSync(path.join(folder, name), 'utf8'));
    installation.run('bundle.mjs', BUNDLE);
  });
  after(() => installation?.remove());

  /** @returns {unknown[]} the lines that the program has printed as JSON; libraries print others */
  function run({ name, adapter = '' }, ...args) {
    const { status, output } = installation.attempt('.', [`${name}.mjs`, ...args, adapter]);
    assert.equal(status, 0, output);
    return output.split('\n').filter((line) => line.startsWith('[')).map((line) => JSON.parse(line));
  }

  for (const client of CLIENTS) {
    const title = [client.name, client.adapter].filter(Boolean).join(' ');
    it(`${title} in memory`, () => assert.deepEqual(run(client, '-', 'write'), client.written));

    it(`${title} on disk, and again in another process`, () => {
      const directory = installation.data(title);
      assert.deepEqual(run(client, directory, 'write'), client.written);
      assert.deepEqual(run(client, directory, 'read'), client.read ?? client.written);
    });
  }
});
