'use strict';

const { registerPlatformInterface } = require('../values/clone.js');
const { IDBCursor } = require('./cursor.js');
const { IDBCursorWithValue } = require('./cursor_with_value.js');
const { IDBDatabase, forceCloseDatabase } = require('./database.js');
const { IDBFactory } = require('./factory.js');
const { IDBIndex } = require('./idb_index.js');
const { IDBKeyRange } = require('./key_range.js');
const { IDBObjectStore } = require('./object_store.js');
const { IDBOpenDBRequest } = require('./open_db_request.js');
const { IDBRecord } = require('./record.js');
const { IDBRequest } = require('./request.js');
const { IDBTransaction } = require('./transaction.js');
const { IDBVersionChangeEvent } = require('./version_change_event.js');

// They are platform objects: what holds one of them cannot be cloned. The others are EventTargets or Events, which the clone knows.
for (const constructor of [IDBCursor, IDBCursorWithValue, IDBFactory, IDBIndex, IDBKeyRange, IDBObjectStore, IDBRecord]) {
  registerPlatformInterface(constructor);
}

/** The factory that the globals use: in memory, empty at first. */
const indexedDB = new IDBFactory();

exports.indexedDB = indexedDB;
exports.IDBCursor = IDBCursor;
exports.IDBCursorWithValue = IDBCursorWithValue;
exports.IDBDatabase = IDBDatabase;
exports.IDBFactory = IDBFactory;
exports.IDBIndex = IDBIndex;
exports.IDBKeyRange = IDBKeyRange;
exports.IDBObjectStore = IDBObjectStore;
exports.IDBOpenDBRequest = IDBOpenDBRequest;
exports.IDBRecord = IDBRecord;
exports.IDBRequest = IDBRequest;
exports.IDBTransaction = IDBTransaction;
exports.IDBVersionChangeEvent = IDBVersionChangeEvent;
exports.forceCloseDatabase = forceCloseDatabase;
