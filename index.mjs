// The entry of ES modules: the same objects as index.js has, and as its default the factory, as in fake-indexeddb.

export {
  Database,
  FlowDBError,
  IDBCursor,
  IDBCursorWithValue,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBOpenDBRequest,
  IDBRecord,
  IDBRequest,
  IDBTransaction,
  IDBVersionChangeEvent,
  forceCloseDatabase,
  indexedDB,
  indexedDB as default,
  open,
} from './index.js';
