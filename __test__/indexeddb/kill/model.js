'use strict';

// What a database that was killed must hold: the effect of the first transactions, all of each.

const { IDBFactory } = require('../../../index.js');
const { result, finished } = require('../support');

const memory = new IDBFactory();

class Model {
  last = 0;
  version = 1;
  hasExtra = false;
  nextKey = 1;
  /** @type {Map<number, any>} */
  data = new Map();
  /** @type {Map<number, any>} */
  log = new Map();
  /** @type {string[]} */
  stores = ['data', 'log', 'meta'];

  /** @param {import('./transactions').Transaction} transaction */
  apply({ number, operations, upgrade, aborts }) {
    if (aborts) return;
    this.last = number;
    if (upgrade) {
      this.version += 1;
      this.hasExtra = !this.hasExtra;
      this.stores = [...this.stores, `store ${this.version}`].sort();
    }
    for (const operation of operations) this.#operate(operation, number);
  }

  /**
   * @param {import('./transactions').Operation} operation
   * @param {number} number
   */
  #operate(operation, number) {
    if (operation.op === 'put') this.data.set(operation.key, { ...operation, number });
    else if (operation.op === 'clear') this.data.clear();
    else if (operation.op === 'add') this.log.set(this.nextKey++, { number });
    else for (let key = operation.from; key <= operation.to; key++) this.data.delete(key);
  }

  /** @returns {any} as {@link contents} reads it */
  contents() {
    const records = [...this.data.values()].sort((a, b) => a.key - b.key);
    /** @param {(record: any) => any[]} keysOf */
    const index = (keysOf) => records.flatMap((record) => keysOf(record).map((key) => [key, record.key]))
      .sort((a, b) => memory.cmp(a[0], b[0]) || memory.cmp(a[1], b[1]));
    return {
      version: this.version, stores: this.stores, last: this.last, nextKey: this.nextKey, records, log: [...this.log],
      indexes: {
        ...(this.hasExtra ? { extra: index(({ text }) => [text]) } : {}),
        group: index(({ group, number }) => [[group, number]]), tags: index(({ tags }) => tags),
      },
    };
  }
}

/**
 * @param {any} index
 * @returns {Promise<any[]>}
 */
async function entries(index) {
  return (await result(index.getAllRecords())).map((/** @type {any} */ { key, primaryKey }) => [key, primaryKey]);
}

/**
 * Everything a database holds. The next generated key is taken in a transaction that is aborted.
 * @param {string} path
 */
async function contents(path) {
  const factory = new IDBFactory({ path });
  const db = await result(factory.open('killed'));
  const reading = db.transaction(['data', 'log', 'meta']);
  const [data, log] = [reading.objectStore('data'), reading.objectStore('log')];
  /** @type {Record<string, any[]>} */
  const indexes = {};
  for (const name of data.indexNames) indexes[name] = await entries(data.index(name));
  const found = {
    version: db.version, stores: Array.from(db.objectStoreNames), last: await result(reading.objectStore('meta').get('last')), nextKey: 0,
    records: await result(data.getAll()), log: (await result(/** @type {any} */ (log).getAllRecords())).map((/** @type {any} */ { key, value }) => [key, value]), indexes,
  };
  const writing = db.transaction('log', 'readwrite');
  found.nextKey = Number(await result(writing.objectStore('log').add({})));
  writing.abort();
  await finished(writing).catch(() => undefined);
  await factory.close();
  return found;
}

module.exports = { Model, contents };
