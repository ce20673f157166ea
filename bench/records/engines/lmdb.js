'use strict';

const { open } = require('lmdb');

/** @param {string} directory */
module.exports = async (directory) => {
  // It commits to the memory map and syncs in the background; `flushed` is when it has.
  const root = open({ path: directory, maxDbs: 2 });
  const db = root.openDB('bytes', { encoding: 'binary' });
  const objects = root.openDB('objects', {});
  return {
    writeBatch: (/** @type {[string, Buffer][]} */ entries) => db.batch(() => { for (const [key, value] of entries) db.put(key, value); }),
    put: (/** @type {string} */ key, /** @type {Buffer} */ value) => db.put(key, value),
    async putDurable(/** @type {string} */ key, /** @type {Buffer} */ value) {
      const written = db.put(key, value);
      await (/** @type {any} */ (written).flushed ?? written.then(() => db.flushed));
    },
    getSync: (/** @type {string} */ key) => db.get(key),
    get: (/** @type {string} */ key) => db.getAsync(key),
    getMany: (/** @type {string[]} */ keys) => db.getMany(keys),
    async* batches() {
      let batch = [];
      for (const { key, value } of db.getRange()) if (batch.push([key, value]) === 1000) { yield batch; batch = []; }
      yield batch;
    },
    async* entries() {
      for await (const { key, value } of db.getRange()) yield [key, value];
    },
    range: async (/** @type {string} */ start, /** @type {number} */ limit) => (
      [...db.getRange({ start, limit })].map(({ key, value }) => [key, value])),
    putExpiring: (/** @type {string} */ key, /** @type {object} */ value, /** @type {number} */ ttl) => (
      objects.put(key, { value, expires: Date.now() + ttl })),
    getExpiring(/** @type {string} */ key) {
      const entry = objects.get(key);
      return entry && entry.expires > Date.now() ? entry.value : undefined;
    },
    close: () => root.close(),
  };
};
