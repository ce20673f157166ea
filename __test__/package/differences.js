'use strict';

// What is different for those who come from fake-indexeddb, each as a program that says what it saw. Run as a script it
// runs all of them on the implementation that is named, and prints what they saw.

const vm = require('node:vm');

/**
 * @typedef {any} Implementation
 * @typedef {object} Difference
 * @property {(implementation: Implementation) => unknown} see
 * @property {unknown} theirs  what it sees in fake-indexeddb
 * @property {unknown} ours
 */

const turn = () => new Promise((resolve) => { setImmediate(resolve); });

const result = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

function openDatabase({ IDBFactory }) {
  const request = new IDBFactory().open('database', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('store');
  return result(request);
}

/** @returns {string} the name of what the call throws */
function outcome(call) {
  try {
    call();
  } catch (error) {
    return error.name;
  }
  return 'accepted';
}

const settled = (transaction) => new Promise((resolve) => {
  transaction.oncomplete = () => resolve('complete');
  transaction.onabort = () => resolve('abort');
});

async function storeOf(implementation, mode = 'readwrite') {
  const database = await openDatabase(implementation);
  return database.transaction('store', mode).objectStore('store');
}

/** By the title that docs/from-fake-indexeddb.md gives it. @type {Record<string, Difference>} */
const DIFFERENCES = {
  'A transaction is inactive outside of its own events': {
    async see(implementation) {
      const store = await storeOf(implementation);
      store.put('first', 1);
      await turn();
      // By now it is inactive or, if its commit was quick, finished.
      return ['TransactionInactiveError', 'InvalidStateError'].includes(outcome(() => store.put('second', 2)));
    },
    theirs: false,
    ours: true,
  },
  'So is a transaction that waits for another one': {
    async see(implementation) {
      const database = await openDatabase(implementation);
      const before = database.transaction('store', 'readwrite').objectStore('store');
      const keepBusy = () => { before.put('x', 1).onsuccess = keepBusy; };
      keepBusy();
      const store = database.transaction('store', 'readwrite').objectStore('store');
      store.put('first', 1);
      await turn();
      const seen = outcome(() => store.put('second', 2));
      before.transaction.abort();
      return seen;
    },
    theirs: 'accepted',
    ours: 'TransactionInactiveError',
  },
  'An exception in a listener is an uncaught exception': {
    async see(implementation) {
      const seen = [];
      const listener = (error) => { seen.push(`uncaught: ${error.message}`); };
      process.on('uncaughtException', listener);
      const store = await storeOf(implementation);
      store.put('x', 1).onsuccess = () => { throw new Error('oops'); };
      seen.push(await settled(store.transaction));
      for (let turns = 0; turns < 10; turns += 1) await turn();
      process.off('uncaughtException', listener);
      return seen.sort();
    },
    theirs: ['abort'],
    ours: ['abort', 'uncaught: oops'],
  },
  'Promise reactions run between two listeners': {
    async see(implementation) {
      const seen = [];
      const store = await storeOf(implementation);
      const request = store.put('x', 1);
      for (const listener of ['first', 'second']) {
        request.addEventListener('success', () => {
          seen.push(listener);
          Promise.resolve().then(() => seen.push(`after ${listener}`));
        });
      }
      await settled(store.transaction);
      return seen;
    },
    theirs: ['first', 'second', 'after first', 'after second'],
    ours: ['first', 'after first', 'second', 'after second'],
  },
  'Objects of IndexedDB cannot be stored': {
    see: async (implementation) => {
      const store = await storeOf(implementation);
      return outcome(() => store.put(implementation.IDBKeyRange.only(1), 1));
    },
    theirs: 'accepted',
    ours: 'DataCloneError',
  },
  'Attributes cannot be assigned': {
    see: async (implementation) => {
      const database = await openDatabase(implementation);
      return outcome(() => { database.version = 7; });
    },
    theirs: 'accepted',
    ours: 'TypeError',
  },
  'Requests and key ranges cannot be constructed': {
    see: ({ IDBRequest, IDBKeyRange }) => [outcome(() => new IDBRequest()), outcome(() => new IDBKeyRange())],
    theirs: ['accepted', 'accepted'],
    ours: ['TypeError', 'TypeError'],
  },
  'A script cannot begin a version change': {
    see: async (implementation) => {
      const database = await openDatabase(implementation);
      return outcome(() => database.transaction('store', 'versionchange'));
    },
    theirs: 'accepted',
    ours: 'TypeError',
  },
  'Events and their targets are those of Node': {
    async see({ IDBFactory }) {
      const request = new IDBFactory().open('database');
      const event = await new Promise((resolve) => { request.onsuccess = resolve; });
      return [request instanceof EventTarget, event instanceof Event];
    },
    theirs: [false, false],
    ours: [true, true],
  },
  'Internal state is not visible': {
    see: async (implementation) => {
      const database = await openDatabase(implementation);
      return ['_rawDatabase' in database, Object.keys(database).length === 0];
    },
    theirs: [true, false],
    ours: [false, true],
  },
  'Names of stores are a DOMStringList': {
    see: async (implementation) => Object.prototype.toString.call((await openDatabase(implementation)).objectStoreNames),
    theirs: '[object Object]',
    ours: '[object DOMStringList]',
  },
  'Messages differ, names do not': {
    async see(implementation) {
      const database = await openDatabase(implementation);
      try {
        database.transaction('missing');
      } catch (error) {
        return [error.name, error.message === 'No objectStore named missing in this database'];
      }
      return undefined;
    },
    theirs: ['NotFoundError', true],
    ours: ['NotFoundError', false],
  },
  'Errors are of the class DOMException itself': {
    async see(implementation) {
      const store = await storeOf(implementation);
      try {
        void store.get(1).result;
      } catch (error) {
        return [error instanceof DOMException, error.constructor === DOMException];
      }
      return undefined;
    },
    theirs: [true, false],
    ours: [true, true],
  },
  'A Buffer is stored without the pool around it': {
    async see(implementation) {
      const store = await storeOf(implementation);
      store.put(Buffer.from('abc'), 1);
      const found = await result(store.get(1));
      return [found.constructor.name, found.length, found.buffer.byteLength === 3];
    },
    theirs: ['Uint8Array', 3, false],
    ours: ['Uint8Array', 3, true],
  },
  'Bytes of another realm are keys': {
    see: ({ IDBFactory }) => outcome(() => new IDBFactory().cmp(vm.runInNewContext('new Uint8Array([1])'), 1)),
    theirs: 'DataError',
    ours: 'accepted',
  },
  'structuredClone is not needed': {
    async see(implementation) {
      const { structuredClone } = globalThis;
      const store = await storeOf(implementation);
      delete globalThis.structuredClone;
      try {
        return outcome(() => store.put({}, 1));
      } finally {
        globalThis.structuredClone = structuredClone;
      }
    },
    theirs: 'ReferenceError',
    ours: 'accepted',
  },
};

/** What the page says is as before, and what both see. @type {Record<string, { see: Difference['see'], both: unknown }>} */
const SIMILARITIES = {
  'a failed request that nobody handles aborts its transaction': {
    async see(implementation) {
      const store = await storeOf(implementation);
      store.put('x', 1);
      store.add('y', 1);
      return [await settled(store.transaction), store.transaction.error.name];
    },
    both: ['abort', 'ConstraintError'],
  },
  'a connection that is open blocks a deletion': {
    async see({ IDBFactory }) {
      const factory = new IDBFactory();
      const database = await result(factory.open('database'));
      const request = factory.deleteDatabase('database');
      const { type } = await new Promise((resolve) => { request.onblocked = request.onsuccess = resolve; });
      database.close(); // fake-indexeddb asks again and again until it is closed
      return type;
    },
    both: 'blocked',
  },
  "opening with a version below the database's is refused": {
    async see({ IDBFactory }) {
      const factory = new IDBFactory();
      (await result(factory.open('database', 3))).close();
      return result(factory.open('database', 2)).catch(({ name }) => name);
    },
    both: 'VersionError',
  },
  'a view is stored with the whole of its buffer': {
    async see(implementation) {
      const store = await storeOf(implementation);
      store.put(new Uint8Array(new ArrayBuffer(1000), 5, 3), 1);
      const found = await result(store.get(1));
      return [found.length, found.byteOffset, found.buffer.byteLength];
    },
    both: [3, 5, 1000],
  },
};

/** @param {string} name  of a module */
async function main(name) {
  const implementation = require(name);
  const seen = {};
  for (const [title, { see }] of Object.entries({ ...DIFFERENCES, ...SIMILARITIES })) seen[title] = await see(implementation);
  process.stdout.write(JSON.stringify(seen));
}

if (require.main === module) main(process.argv[2]);

module.exports = { DIFFERENCES, SIMILARITIES };
