'use strict';

const fs = require('node:fs');
const path = require('node:path');
const Database = require('better-sqlite3');

// The others load their libraries with their modules, this one with the first database.
new Database(':memory:').close();

/**
 * @param {string} directory
 * @param {{ durable: boolean }} options
 */
module.exports = async (directory, { durable }) => {
  fs.mkdirSync(directory, { recursive: true });
  const db = new Database(path.join(directory, 'records.sqlite'));
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  db.exec(`CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB, expires REAL) WITHOUT ROWID`);
  const insert = db.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?)');
  const select = db.prepare('SELECT value FROM records WHERE key = ?').pluck();
  const selectLive = db.prepare('SELECT value FROM records WHERE key = ? AND expires > ?').pluck();
  const selectAll = db.prepare('SELECT key, value FROM records ORDER BY key').raw();
  const selectRange = db.prepare('SELECT key, value FROM records WHERE key >= ? ORDER BY key LIMIT ?').raw();
  const writeAll = db.transaction((/** @type {[string, Buffer][]} */ entries) => { for (const [key, value] of entries) insert.run(key, value, null); });
  const put = async (/** @type {string} */ key, /** @type {Buffer} */ value) => { insert.run(key, value, null); };
  return {
    writeBatch: async (/** @type {[string, Buffer][]} */ entries) => writeAll(entries),
    put,
    putDurable: put,
    getSync: (/** @type {string} */ key) => select.get(key),
    get: async (/** @type {string} */ key) => select.get(key),
    getMany: async (/** @type {string[]} */ keys) => keys.map((key) => select.get(key)),
    async* batches() {
      let batch = [];
      for (const entry of selectAll.iterate()) if (batch.push(entry) === 1000) { yield batch; batch = []; }
      yield batch;
    },
    async* entries() {
      yield* selectAll.iterate();
    },
    range: async (/** @type {string} */ start, /** @type {number} */ limit) => selectRange.all(start, limit),
    putExpiring: async (/** @type {string} */ key, /** @type {object} */ value, /** @type {number} */ ttl) => {
      insert.run(key, Buffer.from(JSON.stringify(value)), Date.now() + ttl);
    },
    getExpiring(/** @type {string} */ key) {
      const bytes = selectLive.get(key, Date.now());
      return bytes && JSON.parse(bytes.toString());
    },
    close: async () => { db.close(); },
  };
};
