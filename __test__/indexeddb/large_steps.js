'use strict';

// Large data in one process: loads it, reads it, deletes it, step by step. Prints a line for each step: its peak memory, and the longest
// time in which the event loop did not turn.
//
//     node __test__/indexeddb/large_steps.js <directory> [records] [indexes] [MiB of a transaction] [MiB of a value]

const assert = require('node:assert/strict');
const { readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { setTimeout: sleep } = require('node:timers/promises');
const { IDBFactory, IDBKeyRange } = require('../../index.js');
const { finished, openDatabase, result } = require('./support.js');

const MIB = 1024 * 1024;
const PUTS_PER_TRANSACTION = 500;
/** Of the delay histogram, in milliseconds: below it nothing is told. */
const RESOLUTION = 2;

const [directory, ...sizes] = process.argv.slice(2);
const [records = 20_000, indexes = 3, transactionMiB = 96, valueMiB = 8] = sizes.map(Number);
const factory = new IDBFactory({ path: directory });
const indexNames = Array.from({ length: indexes }, (_, index) => `i${index}`);

/** Peak memory of the process, from Linux since the last reset. */
const peakMiB = () => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
};

const resetPeak = () => {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere it is the peak since the start.
  }
};

/**
 * @param {string} name
 * @param {() => Promise<unknown>} act
 */
async function step(name, act) {
  resetPeak();
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const start = performance.now();
  await act();
  await sleep(2 * RESOLUTION);
  delay.disable();
  const [milliseconds, stall] = [performance.now() - start, delay.max / 1e6].map(Math.round);
  console.log(JSON.stringify({ step: name, peakMiB: Math.round(peakMiB()), stall, milliseconds }));
}

/** Maintenance may remove a file meanwhile. @param {string} name */
const sizeOf = (name) => statSync(path.join(directory, name), { throwIfNoEntry: false })?.size ?? 0;

const diskBytes = () => readdirSync(directory).reduce((sum, name) => sum + sizeOf(name), 0);

/** @param {number} id */
function record(id) {
  const value = { id, text: `record ${id}` };
  for (const [index, name] of indexNames.entries()) value[name] = (id * (2 * index + 3)) % 100_003;
  return value;
}

/** @param {(db: IDBDatabase, transaction: IDBTransaction) => void} upgrade */
const open = (version, upgrade) => openDatabase(upgrade, { factory, name: 'large', version });

async function load() {
  const db = await open(1, (created) => {
    const store = created.createObjectStore('records', { keyPath: 'id' });
    for (const name of indexNames) store.createIndex(name, name);
    created.createObjectStore('values').createIndex('unique', 'unique', { unique: true });
  });
  for (let id = 0; id < records;) {
    const transaction = db.transaction('records', 'readwrite');
    const store = transaction.objectStore('records');
    for (const end = Math.min(records, id + PUTS_PER_TRANSACTION); id < end; id += 1) store.put(record(id));
    await finished(transaction);
    await sleep(0);
  }
  return db;
}

/**
 * @param {IDBDatabase} db
 * @param {(store: IDBObjectStore) => Promise<unknown> | IDBRequest} act
 */
async function inRecords(db, mode, act) {
  const transaction = db.transaction('records', mode);
  await act(transaction.objectStore('records'));
  await finished(transaction);
}

async function readRecords(db) {
  await step('count', () => inRecords(db, 'readonly', async (store) => {
    assert.equal(await result(store.count()), records);
    assert.equal(await result(store.index('i0').count()), records);
    assert.equal(await result(store.count(IDBKeyRange.bound(1, records / 2))), records / 2);
  }));
  await step('advance', () => inRecords(db, 'readonly', async (store) => {
    const request = store.openKeyCursor();
    const cursor = await result(request);
    cursor.advance(records - 1);
    assert.equal((await result(request)).key, records - 1);
  }));
  await step('cursor', () => inRecords(db, 'readonly', async (store) => {
    await new Promise((resolve) => {
      let left = records / 10;
      store.index('i0').openCursor(null, 'prev').onsuccess = ({ target }) => {
        left -= 1;
        if (left > 0) target.result.continue();
        else resolve(undefined);
      };
    });
  }));
  await step('getAll of a tenth', () => inRecords(db, 'readonly', async (store) => {
    const all = await result(store.getAll(IDBKeyRange.upperBound(records / 10, true)));
    assert.deepEqual([all.length, all.at(-1)], [records / 10, record(records / 10 - 1)]);
  }));
}

async function changeRecords(db) {
  await step('delete half', () => inRecords(db, 'readwrite', async (store) => {
    await result(store.delete(IDBKeyRange.upperBound(records / 2, true)));
    assert.equal(await result(store.count()), records / 2);
    for (const name of indexNames) assert.equal(await result(store.index(name).count()), records / 2);
  }));
  await step('drain from the end', () => inRecords(db, 'readwrite', async (store) => {
    for (let left = records / 20; left > 0; left -= 1) {
      const cursor = await result(store.openKeyCursor(null, 'prev'));
      store.delete(cursor.primaryKey);
    }
  }));
  db.close();
  await step('createIndex', async () => {
    const upgraded = await open(2, (_, transaction) => transaction.objectStore('records').createIndex('text', 'text', { unique: true }));
    await inRecords(upgraded, 'readonly', async (store) => {
      assert.equal(await result(store.index('text').count()), await result(store.count()));
    });
    upgraded.close();
  });
}

/**
 * @param {IDBObjectStore} store
 * @param {string} prefix
 */
async function putMuch(store, prefix) {
  const chunk = Buffer.alloc(MIB, prefix);
  for (let number = 0; number < transactionMiB; number += 1) {
    chunk.writeUInt32LE(number * 2654435761 % 2 ** 32);
    await result(store.put({ unique: `${prefix}${number}`, chunk }, `${prefix}${number}`));
  }
}

async function largeTransactions() {
  const db = await open(2);
  await step(`transaction of ${transactionMiB} MiB`, async () => {
    const transaction = db.transaction('values', 'readwrite');
    const store = transaction.objectStore('values');
    await putMuch(store, 'a');
    assert.equal(await result(store.count()), transactionMiB);
    const cursor = await result(store.index('unique').openCursor('a7'));
    assert.equal(cursor.value.chunk.length, MIB);
    const refused = store.put({ unique: 'a7' }, 'other');
    refused.onerror = (event) => event.preventDefault();
    assert.equal(await result(refused).catch(({ name }) => name), 'ConstraintError');
    await finished(transaction);
  });
  await step('the same, aborted', async () => {
    const transaction = db.transaction('values', 'readwrite');
    const store = transaction.objectStore('values');
    await result(store.clear());
    await putMuch(store, 'b');
    transaction.abort();
    await finished(transaction).catch(() => 'aborted');
    const values = db.transaction('values').objectStore('values');
    assert.equal(await result(values.count()), transactionMiB);
  });
  return db;
}

async function largeValuesAndKeys(db) {
  const value = Buffer.alloc(valueMiB * MIB, 'v');
  await step(`values of ${valueMiB} MiB`, async () => {
    for (let number = 0; number < 4; number += 1) {
      const transaction = db.transaction('values', 'readwrite');
      transaction.objectStore('values').put({ number, value }, `v${number}`);
      await finished(transaction);
    }
  });
  await step('their keys and one of them', async () => {
    const store = db.transaction('values').objectStore('values');
    assert.equal((await result(store.getAllKeys(IDBKeyRange.lowerBound('v')))).length, 4);
    assert.equal((await result(store.get('v3'))).value.length, value.length);
  });
  await step('keys of 64 KiB', async () => {
    const transaction = db.transaction('values', 'readwrite');
    const store = transaction.objectStore('values');
    for (let number = 0; number < records / 100; number += 1) store.put({ unique: number }, `k${'k'.repeat(65_530)}${number}`);
    await finished(transaction);
    const keys = db.transaction('values').objectStore('values').getAllKeys(IDBKeyRange.bound('k', 'l'), 100);
    assert.equal((await result(keys)).length, Math.min(100, records / 100));
  });
}

async function giveBack(db) {
  const full = diskBytes();
  await step('clear', async () => {
    const transaction = db.transaction('values', 'readwrite');
    transaction.objectStore('values').clear();
    await finished(transaction);
  });
  db.close();
  await step('deleteDatabase', () => result(factory.deleteDatabase('large')));
  await step('space comes back', async () => {
    for (let attempt = 0; attempt < 600 && diskBytes() > full / 10; attempt += 1) await sleep(100);
    assert.ok(diskBytes() <= full / 10, `${diskBytes()} of ${full} bytes are left`);
  });
}

async function main() {
  /** @type {IDBDatabase | undefined} */
  let db;
  await step(`load ${records} records, ${indexes} indexes`, async () => { db = await load(); });
  await readRecords(db);
  await changeRecords(db);
  const values = await largeTransactions();
  await largeValuesAndKeys(values);
  await giveBack(values);
  await factory.close();
}

main();
