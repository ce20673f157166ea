'use strict';

// Commits one random transaction after the other until it is killed: `node writer.js <folder> <seed> <round>`. What it is about to do and
// what is complete goes to standard output at once, because nothing that waits in this process survives it.

const { writeSync } = require('node:fs');
const { IDBFactory } = require('../../../index.js');
const { result } = require('../support');
const { transactionOf } = require('./transactions');

/** Transactions that are under way at the same time. */
const PIPELINE = 4;

const [folder, seed, round] = process.argv.slice(2);
const factory = new IDBFactory({ path: folder });

/** @param {string} line */
const tell = (line) => writeSync(1, `${line}\n`);

/**
 * @param {IDBTransaction} transaction
 * @param {import('./transactions').Transaction} plan
 */
function perform(transaction, { number, operations, aborts }) {
  tell(`begin ${number}`);
  const data = transaction.objectStore('data');
  for (const operation of operations) {
    if (operation.op === 'put') data.put({ ...operation, number });
    else if (operation.op === 'delete') data.delete(globalThis.IDBKeyRange.bound(operation.from, operation.to));
    else if (operation.op === 'clear') data.clear();
    else transaction.objectStore('log').add({ number });
  }
  transaction.objectStore('meta').put(number, 'last');
  if (aborts) transaction.abort();
  return new Promise((resolve) => {
    transaction.oncomplete = () => { tell(`complete ${number}`); resolve(undefined); };
    transaction.onabort = resolve;
  });
}

/** @param {IDBDatabase} db */
function create(db) {
  const data = db.createObjectStore('data', { keyPath: 'key' });
  data.createIndex('tags', 'tags', { multiEntry: true });
  data.createIndex('group', ['group', 'number']);
  db.createObjectStore('log', { autoIncrement: true });
  db.createObjectStore('meta').put(0, 'last');
}

/**
 * A version change takes an index away or makes it, and an empty store.
 * @param {number} version
 * @param {import('./transactions').Transaction} plan
 */
async function upgrade(version, plan) {
  const request = factory.open('killed', version);
  /** @type {Promise<unknown> | undefined} */
  let performed;
  request.onupgradeneeded = () => {
    const { result: db, transaction } = request;
    const data = /** @type {IDBTransaction} */ (transaction).objectStore('data');
    if (data.indexNames.contains('extra')) data.deleteIndex('extra');
    else data.createIndex('extra', 'text');
    db.createObjectStore(`store ${version}`);
    performed = perform(/** @type {IDBTransaction} */ (transaction), plan);
  };
  const db = await result(request).catch(() => undefined);
  await performed;
  return db;
}

async function open() {
  const request = factory.open('killed');
  request.onupgradeneeded = () => create(request.result);
  return result(request);
}

async function main() {
  globalThis.IDBKeyRange = require('../../../index.js').IDBKeyRange;
  let db = await open();
  let number = await result(db.transaction('meta').objectStore('meta').get('last'));
  /** @type {Promise<unknown>[]} */
  const running = [];
  for (;;) {
    number += 1;
    const plan = transactionOf(Number(seed), Number(round), number);
    if (plan.upgrade) {
      await Promise.all(running.splice(0));
      const { version } = db;
      db.close();
      db = (await upgrade(version + 1, plan)) ?? await open();
    } else {
      const transaction = db.transaction(['data', 'log', 'meta'], 'readwrite', { durability: plan.durability });
      running.push(perform(transaction, plan));
    }
    if (running.length === PIPELINE) await running.shift();
  }
}

main().catch((error) => {
  tell(`failed ${error.stack}`);
  process.exit(1);
});
