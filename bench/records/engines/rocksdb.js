'use strict';

const { promisify } = require('node:util');
const rocksdb = require('rocksdb');

/** What its errors have no code for. */
const isMissing = (/** @type {any} */ error) => error.message.startsWith('NotFound');

/** @param {string} directory */
module.exports = async (directory) => {
  const db = rocksdb(directory);
  await promisify(db.open.bind(db))({});
  const batch = promisify(db.batch.bind(db));
  const getMany = promisify(db.getMany.bind(db));
  const getStored = promisify(db.get.bind(db));
  const store = promisify(db.put.bind(db));
  const get = (/** @type {string} */ key) => getStored(key).catch((error) => { if (!isMissing(error)) throw error; });
  const entriesFrom = (/** @type {object} */ range) => db.iterator({ keyAsBuffer: false, ...range });
  return {
    writeBatch: (/** @type {[string, Buffer][]} */ entries) => batch(entries.map(([key, value]) => ({ type: 'put', key, value }))),
    put: (/** @type {string} */ key, /** @type {Buffer} */ value) => store(key, value),
    putDurable: (/** @type {string} */ key, /** @type {Buffer} */ value) => store(key, value, { sync: true }),
    get,
    getMany: (/** @type {string[]} */ keys) => getMany(keys),
    async* batches() {
      let entries = [];
      for await (const entry of entriesFrom({})) if (entries.push(entry) === 1000) { yield entries; entries = []; }
      yield entries;
    },
    async* entries() {
      yield* entriesFrom({});
    },
    async range(/** @type {string} */ gte, /** @type {number} */ limit) {
      const entries = [];
      for await (const entry of entriesFrom({ gte, limit })) entries.push(entry);
      return entries;
    },
    putExpiring: (/** @type {string} */ key, /** @type {object} */ value, /** @type {number} */ ttl) => (
      store(key, JSON.stringify({ value, expires: Date.now() + ttl }))),
    async getExpiring(/** @type {string} */ key) {
      const bytes = await get(key);
      if (bytes === undefined) return undefined;
      const { value, expires } = JSON.parse(bytes.toString());
      return expires > Date.now() ? value : undefined;
    },
    close: promisify(db.close.bind(db)),
  };
};
