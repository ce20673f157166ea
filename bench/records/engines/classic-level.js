'use strict';

const { ClassicLevel } = require('classic-level');

/** @param {string} directory */
module.exports = async (directory) => {
  const db = new ClassicLevel(directory, { valueEncoding: 'buffer' });
  await db.open();
  const json = { valueEncoding: 'json' };
  return {
    writeBatch: (/** @type {[string, Buffer][]} */ entries) => db.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    put: (/** @type {string} */ key, /** @type {Buffer} */ value) => db.put(key, value),
    putDurable: (/** @type {string} */ key, /** @type {Buffer} */ value) => db.put(key, value, { sync: true }),
    getSync: (/** @type {string} */ key) => db.getSync(key),
    get: (/** @type {string} */ key) => db.get(key),
    getMany: (/** @type {string[]} */ keys) => db.getMany(keys),
    async* batches() {
      const iterator = db.iterator();
      for (let batch = await iterator.nextv(1000); batch.length > 0; batch = await iterator.nextv(1000)) yield batch;
      await iterator.close();
    },
    async* entries() {
      yield* db.iterator();
    },
    range: (/** @type {string} */ gte, /** @type {number} */ limit) => db.iterator({ gte, limit }).all(),
    putExpiring: (/** @type {string} */ key, /** @type {object} */ value, /** @type {number} */ ttl) => (
      db.put(key, { value, expires: Date.now() + ttl }, json)),
    getExpiring(/** @type {string} */ key) {
      const entry = db.getSync(key, json);
      return entry && entry.expires > Date.now() ? entry.value : undefined;
    },
    close: () => db.close(),
  };
};
