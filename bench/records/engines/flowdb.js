'use strict';

const { open } = require('../../../index.js');

// The others load their libraries with their modules, this one with the first database.
require('../../../binding.js');

/** @param {string} directory */
module.exports = async (directory) => {
  const db = await open({ path: directory, valueEncoding: 'buffer' });
  const { kv } = db;
  const any = { valueEncoding: /** @type {const} */ ('any') };
  return {
    writeBatch: (/** @type {[string, Buffer][]} */ entries) => db.batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    put: (/** @type {string} */ key, /** @type {Buffer} */ value) => kv.put(key, value),
    putDurable: (/** @type {string} */ key, /** @type {Buffer} */ value) => kv.put(key, value, { sync: true }),
    getSync: (/** @type {string} */ key) => kv.getSync(key),
    get: (/** @type {string} */ key) => kv.get(key),
    getMany: (/** @type {string[]} */ keys) => kv.getMany(keys),
    async* batches() {
      for await (const batch of kv.scan().batches()) yield batch.map(({ key, value }) => [key, value]);
    },
    async* entries() {
      for await (const { key, value } of kv.scan()) yield [key, value];
    },
    range: async (/** @type {string} */ gte, /** @type {number} */ limit) => (
      (await kv.scan({ gte, limit }).all()).map(({ key, value }) => [key, value])),
    putExpiring: (/** @type {string} */ key, /** @type {object} */ value, /** @type {number} */ ttl) => kv.put(key, value, { ttl, ...any }),
    getExpiring: (/** @type {string} */ key) => kv.getSync(key, any),
    close: () => db.close(),
  };
};
