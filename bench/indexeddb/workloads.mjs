// What is measured. A workload makes its database ready (not timed), runs, and checks what came out (not timed, unless a
// program would look at each answer as well). `run` answers how many operations it did.

import { check, checkObject, checkRichObject, objectOf, richObjectOf, shuffled } from './data.mjs';

/**
 * @typedef {object} Environment
 * @property {IDBFactory} indexedDB
 * @property {typeof IDBKeyRange} IDBKeyRange
 * @property {number} objects  how many of them
 * @property {(loop: () => void) => void} calls  runs a loop whose time is the program's own and no stall
 *
 * @typedef {Environment & { database: IDBDatabase }} Context
 * @typedef {Context & { verifyObject: typeof checkObject | typeof checkRichObject }} VerifyingContext
 *
 * @typedef {object} Workload
 * @property {(environment: Environment) => Promise<IDBDatabase | null>} setUp  null if it opens its own, and does not look at the context's
 * @property {(context: Context) => Promise<number>} run
 * @property {(context: Context) => Promise<void>} [verify]
 */

const DATABASE = 'bench';
const STORE = 'objects';

/**
 * A request as a promise, as the idb library makes one.
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const promised = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} transaction  @returns {Promise<void>} */
const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
  });

/** @param {IDBFactory} indexedDB  @param {string} name  @param {(database: IDBDatabase) => void} upgrade */
function open(indexedDB, name, upgrade) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => upgrade(request.result);
  return promised(request);
}

/** @param {IDBDatabase} database  @param {number} indexes */
function createStore(database, indexes) {
  const store = database.createObjectStore(STORE, { keyPath: 'id' });
  if (indexes >= 1) store.createIndex('email', 'email', { unique: true });
  if (indexes >= 2) store.createIndex('group', 'group');
  if (indexes >= 3) store.createIndex('tags', 'tags', { multiEntry: true });
}

/** @param {IDBDatabase} database  @param {IDBTransactionMode} mode */
const begin = (database, mode) => database.transaction(STORE, mode, { durability: 'relaxed' });

/**
 * All objects in one transaction.
 *
 * @param {IDBDatabase} database
 * @param {number} count
 * @param {'add' | 'put'} method
 * @param {(id: number) => object} create
 * @param {Environment['calls']} calls
 */
async function fill(database, count, method, create, calls) {
  const transaction = begin(database, 'readwrite');
  const store = transaction.objectStore(STORE);
  const done = completed(transaction);
  calls(() => {
    for (let id = 0; id < count; id += 1) store[method](create(id));
  });
  await done;
  return count;
}

/** @param {IDBDatabase} database  @param {number} expected */
async function checkCount(database, expected) {
  const count = await promised(begin(database, 'readonly').objectStore(STORE).count());
  check(count === expected, `${count} records instead of ${expected}`);
}

/**
 * A database with a store, and as many objects as asked for.
 *
 * @param {number} indexes
 * @param {boolean} filled
 * @param {(id: number) => object} [create]
 */
const prepared = (indexes, filled, create = objectOf) =>
  async function setUp(/** @type {Environment} */ { indexedDB, objects }) {
    const database = await open(indexedDB, DATABASE, (opened) => createStore(opened, indexes));
    const count = filled ? objects : 0;
    // Several transactions, as a database is filled in real life.
    for (let start = 0; start < count; start += 10_000) {
      await fill(database, Math.min(10_000, count - start), 'add', (i) => create(start + i), (loop) => loop());
    }
    return database;
  };

/** @param {number} indexes  @returns {Workload} */
const adding = (indexes) => ({
  setUp: prepared(indexes, false),
  run: ({ database, objects, calls }) => fill(database, objects, 'add', objectOf, calls),
  verify: ({ database, objects }) => checkCount(database, objects),
});

/** Deletes half of the records. @param {number} indexes  @returns {Workload} */
const deleting = (indexes) => ({
  setUp: prepared(indexes, true),
  async run({ database, objects, IDBKeyRange }) {
    const transaction = begin(database, 'readwrite');
    const [from, to] = [Math.floor(objects / 4), Math.floor((objects * 3) / 4)];
    transaction.objectStore(STORE).delete(IDBKeyRange.bound(from, to, false, true));
    await completed(transaction);
    return to - from;
  },
  verify: ({ database, objects }) =>
    checkCount(database, objects - (Math.floor((objects * 3) / 4) - Math.floor(objects / 4))),
});

/** @param {Context} context */
async function onePutTransactions({ database, objects }) {
  for (let id = 0; id < objects; id += 1) {
    const transaction = begin(database, 'readwrite');
    transaction.objectStore(STORE).put(objectOf(id));
    await completed(transaction);
  }
  return objects;
}

/** @param {VerifyingContext} context */
async function getsOneByOne({ database, objects, verifyObject }) {
  const store = begin(database, 'readonly').objectStore(STORE);
  for (const id of shuffled(objects)) verifyObject(await promised(store.get(id)), id);
  return objects;
}

/** @param {Context} context */
async function getsAtOnce({ database, objects, calls }) {
  const transaction = begin(database, 'readonly');
  const store = transaction.objectStore(STORE);
  const done = completed(transaction);
  calls(() => {
    for (const id of shuffled(objects)) {
      const request = store.get(id);
      request.onsuccess = () => checkObject(request.result, id);
    }
  });
  await done;
  return objects;
}

/** @param {Context} context */
async function getAll({ database, objects }) {
  const all = await promised(begin(database, 'readonly').objectStore(STORE).getAll());
  check(all.length === objects, `${all.length} records`);
  for (let id = 0; id < objects; id += 997) checkObject(all[id], id);
  return objects;
}

/** @param {Context} context  @returns {Promise<number>} */
function cursor({ database, objects }) {
  const request = begin(database, 'readonly').objectStore(STORE).openCursor();
  let next = 0;
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const found = request.result;
      if (found === null) {
        check(next === objects, `${next} records`);
        resolve(next);
        return;
      }
      checkObject(found.value, next);
      next += 1;
      found.continue();
    };
  });
}

/** Every group, which are a hundredth of the objects each, in ten requests of ten groups. @param {Context} context */
async function indexGetAll({ database, objects, IDBKeyRange }) {
  const index = begin(database, 'readonly').objectStore(STORE).index('group');
  let count = 0;
  for (let group = 0; group < 100; group += 10) {
    const found = await promised(index.getAll(IDBKeyRange.bound(group, group + 9)));
    check(found.every((object) => Math.floor(object.group / 10) * 10 === group), `group ${group}`);
    count += found.length;
  }
  check(count === objects, `${count} records`);
  return count;
}

/** @param {Context} context */
async function getTransactions({ database, objects }) {
  for (const id of shuffled(objects)) {
    checkObject(await promised(begin(database, 'readonly').objectStore(STORE).get(id)), id);
  }
  return objects;
}

/** @param {Context} context */
async function clear({ database, objects }) {
  const transaction = begin(database, 'readwrite');
  transaction.objectStore(STORE).clear();
  await completed(transaction);
  return objects;
}

const OPENS = 200;

/** @param {Environment} environment */
async function openAndUpgrade({ indexedDB }) {
  for (let i = 0; i < OPENS; i += 1) {
    const database = await open(indexedDB, `database ${i}`, (opened) => {
      for (let s = 0; s < 20; s += 1) {
        const store = opened.createObjectStore(`store ${s}`, { keyPath: 'id' });
        for (let x = 0; x < 3; x += 1) store.createIndex(`index ${x}`, `field${x}`);
      }
    });
    check(database.objectStoreNames.length === 20, 'stores');
    database.close();
  }
  return OPENS;
}

/** @param {number} indexes  @param {Workload['run']} run  @returns {Workload} */
const loaded = (indexes, run) => ({ setUp: prepared(indexes, true), run });
/** @param {(context: VerifyingContext) => Promise<number>} run  @param {VerifyingContext['verifyObject']} verifyObject */
const withObjects = (run, verifyObject) => (/** @type {Context} */ context) => run({ ...context, verifyObject });

/** @type {Record<string, Workload>} By name, in the order of the report. */
export const WORKLOADS = {
  'add, one transaction': adding(0),
  'add with 2 indexes and a multiEntry one': adding(3),
  'transaction of one put, relaxed': {
    setUp: prepared(0, false),
    run: onePutTransactions,
    verify: ({ database, objects }) => checkCount(database, objects),
  },
  'get, awaited one by one': loaded(0, withObjects(getsOneByOne, checkObject)),
  'get, all at once': loaded(0, getsAtOnce),
  getAll: loaded(0, getAll),
  cursor: loaded(0, cursor),
  'index getAll, 10k each': loaded(2, indexGetAll),
  'get, a transaction each': loaded(0, getTransactions),
  'put over existing, 3 indexes': {
    setUp: prepared(3, true),
    run: ({ database, objects, calls }) => fill(database, objects, 'put', objectOf, calls),
    verify: ({ database, objects }) => checkCount(database, objects),
  },
  'delete range': deleting(0),
  'delete range, 3 indexes': deleting(3),
  clear: { ...loaded(0, clear), verify: ({ database }) => checkCount(database, 0) },
  'open and upgrade, 20 stores x 3 indexes': { setUp: async () => null, run: openAndUpgrade },
  'add of Date, Map, Set, typed arrays': {
    setUp: prepared(0, false),
    run: ({ database, objects, calls }) => fill(database, objects, 'add', richObjectOf, calls),
    verify: ({ database, objects }) => checkCount(database, objects),
  },
  'get of Date, Map, Set, typed arrays': {
    setUp: prepared(0, true, richObjectOf),
    run: withObjects(getsOneByOne, checkRichObject),
  },
};
