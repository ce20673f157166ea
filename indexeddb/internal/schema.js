'use strict';

// The mirror of a database's object stores and indexes. During a version change it is the authority: ids are given
// here, and each change is sent to the native side in the order of the requests.

const { decodeKeyPath, encodeKeyPath } = require('./key_path.js');

/** @typedef {null | string | string[]} KeyPath */

/** https://w3c.github.io/IndexedDB/#object-store-construct */
class ObjectStore {
  id;
  name;
  keyPath;
  /** @type {Uint8Array | null} */
  #keyPathBytes = null;
  /** The property that is the key path, if it is no more than that. @type {string | null} */
  keyName;
  autoIncrement;
  deleted = false;
  /** Made in the version change that is going on, and no record has been asked to be stored since: a new index has nothing to be filled with. */
  isNew = false;
  nextIndexId = 1;
  /** @type {Map<string, Index>} by name */
  indexes = new Map();

  /**
   * @param {number} id
   * @param {string} name
   * @param {KeyPath} keyPath
   * @param {boolean} autoIncrement whether it has a key generator
   */
  constructor(id, name, keyPath, autoIncrement) {
    this.id = id;
    this.name = name;
    this.keyPath = keyPath;
    this.keyName = typeof keyPath === 'string' && keyPath !== '' && !keyPath.includes('.') ? keyPath : null;
    this.autoIncrement = autoIncrement;
  }

  /** The key path as the native side reads it. */
  get keyPathBytes() {
    return (this.#keyPathBytes ??= encodeKeyPath(this.keyPath));
  }
}

/** https://w3c.github.io/IndexedDB/#index-construct */
class Index {
  id;
  name;
  keyPath;
  unique;
  multiEntry;
  deleted = false;

  /**
   * @param {number} id
   * @param {string} name
   * @param {string | string[]} keyPath
   * @param {boolean} unique
   * @param {boolean} multiEntry
   */
  constructor(id, name, keyPath, unique, multiEntry) {
    this.id = id;
    this.name = name;
    this.keyPath = keyPath;
    this.unique = unique;
    this.multiEntry = multiEntry;
  }
}

/** The object store set of a connection. */
class Schema {
  nextStoreId = 1;
  /** @type {Map<string, ObjectStore>} by name */
  stores = new Map();

  /**
   * What "abort an upgrade transaction" goes back to: https://w3c.github.io/IndexedDB/#abort-an-upgrade-transaction
   * @returns {() => void} puts everything back that existed when this was called
   */
  snapshot() {
    const stores = new Map(this.stores);
    const details = [...stores.values()].map(storeSnapshot);
    return () => {
      for (const store of this.stores.values()) discard(store);
      this.stores = stores;
      for (const restore of details) restore();
    };
  }
}

/** @param {ObjectStore} store which did not exist, unless it is restored afterwards */
function discard(store) {
  store.deleted = true;
  for (const index of store.indexes.values()) index.deleted = true;
  store.indexes = new Map();
}

/** @param {ObjectStore} store */
function storeSnapshot(store) {
  const { name } = store;
  const indexes = new Map(store.indexes);
  const names = [...indexes].map(([indexName, index]) => ({ index, indexName }));
  return () => {
    for (const index of store.indexes.values()) index.deleted = true;
    store.deleted = false;
    store.name = name;
    store.indexes = indexes;
    for (const { index, indexName } of names) {
      index.deleted = false;
      index.name = indexName;
    }
  };
}

/** Reads the schema that comes with a new connection; little-endian. */
class SchemaReader {
  #bytes;
  #offset = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read() {
    const schema = new Schema();
    schema.nextStoreId = this.#u32();
    for (let count = this.#u32(); count > 0; count -= 1) {
      const store = this.#store();
      schema.stores.set(store.name, store);
    }
    return schema;
  }

  #store() {
    const id = this.#u32();
    const autoIncrement = this.#u8() !== 0;
    const nextIndexId = this.#u32();
    const name = this.#name();
    const store = new ObjectStore(id, name, this.#keyPath(), autoIncrement);
    store.nextIndexId = nextIndexId;
    for (let count = this.#u32(); count > 0; count -= 1) {
      const index = this.#index();
      store.indexes.set(index.name, index);
    }
    return store;
  }

  #index() {
    const id = this.#u32();
    const flags = this.#u8();
    const name = this.#name();
    const keyPath = /** @type {string | string[]} */ (this.#keyPath());
    return new Index(id, name, keyPath, (flags & 1) !== 0, (flags & 2) !== 0);
  }

  #u8() {
    const value = this.#bytes.readUInt8(this.#offset);
    this.#offset += 1;
    return value;
  }

  #u32() {
    const value = this.#bytes.readUInt32LE(this.#offset);
    this.#offset += 4;
    return value;
  }

  #name() {
    const end = this.#u32() * 2 + this.#offset;
    const name = this.#bytes.toString('utf16le', this.#offset, end);
    this.#offset = end;
    return name;
  }

  /** @returns {KeyPath} */
  #keyPath() {
    const { keyPath, end } = decodeKeyPath(this.#bytes, this.#offset);
    this.#offset = end;
    return keyPath;
  }
}

/** @param {Uint8Array} bytes */
function decodeSchema(bytes) {
  return new SchemaReader(bytes).read();
}

module.exports = { ObjectStore, Index, Schema, decodeSchema };
