'use strict';

// Modules that were compiled to CommonJS (TypeScript's esModuleInterop, Babel, bundlers) read a default import as `.default` only where this mark is set; without it
// their `import indexedDB from 'flowdb'` is the whole module. Not enumerable: it is no export.
Object.defineProperty(module.exports, '__esModule', { value: true });

// Each name is assigned by itself: that is how ES modules come to see it.

const { Database, open } = require('./records/database.js');
const { FlowDBError } = require('./common/errors.js');
const facade = require('./indexeddb/index.js');

module.exports.open = open;
module.exports.Database = Database;
module.exports.FlowDBError = FlowDBError;

module.exports.indexedDB = facade.indexedDB;
module.exports.IDBCursor = facade.IDBCursor;
module.exports.IDBCursorWithValue = facade.IDBCursorWithValue;
module.exports.IDBDatabase = facade.IDBDatabase;
module.exports.IDBFactory = facade.IDBFactory;
module.exports.IDBIndex = facade.IDBIndex;
module.exports.IDBKeyRange = facade.IDBKeyRange;
module.exports.IDBObjectStore = facade.IDBObjectStore;
module.exports.IDBOpenDBRequest = facade.IDBOpenDBRequest;
module.exports.IDBRecord = facade.IDBRecord;
module.exports.IDBRequest = facade.IDBRequest;
module.exports.IDBTransaction = facade.IDBTransaction;
module.exports.IDBVersionChangeEvent = facade.IDBVersionChangeEvent;
module.exports.forceCloseDatabase = facade.forceCloseDatabase;

// As in fake-indexeddb, whose users write `require('fake-indexeddb').default`.
module.exports.default = facade.indexedDB;
