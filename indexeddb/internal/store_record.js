'use strict';

// What put(), add() and update() share: the clone, its key, and the request with the bytes.

const { blobContent } = require('./blob_content.js');
const { encode } = require('./clone.js');
const { exception } = require('./exceptions.js');
const native = require('./native.js');
const operations = require('./operations.js');
const { createRequest } = require('./source.js');

/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./source.js').SourceHandle} SourceHandle */
/** @typedef {ReturnType<typeof encode>} Clone */

const EXTRACTED_NOTHING = 0;
const EXTRACTED_INVALID = 1;

/**
 * "Clone a value in realm during transaction": https://w3c.github.io/IndexedDB/#clone. Getters of the value run here and must not
 * be able to place requests.
 * @param {import('./transaction_lifecycle.js').Transaction} transaction
 * @param {unknown} value
 */
function cloneDuringTransaction(transaction, value) {
  transaction.state = 'inactive';
  try {
    return encode(value);
  } finally {
    transaction.state = 'active';
  }
}

/**
 * The encoded key at the store's key path in a value; null if there is nothing.
 * @param {Uint8Array} value
 * @param {ObjectStore} store
 */
function extractKeyFrom(value, store) {
  const result = native.extractKey(value, store.keyPathBytes, false);
  if (result[0] === EXTRACTED_NOTHING) return null;
  if (result[0] === EXTRACTED_INVALID) throw exception('DataError', `${where(store)} yields something that is not a key`);
  return result.subarray(1);
}

/** @param {ObjectStore} store */
function where({ name, keyPath }) {
  return `the key path '${keyPath}' of object store '${name}'`;
}

/**
 * Steps of "add or put" for in-line keys.
 * @param {Uint8Array} value
 * @param {ObjectStore} store
 */
function checkInlineKey(value, store) {
  if (extractKeyFrom(value, store) !== null) return;
  if (!store.autoIncrement) throw exception('DataError', `${where(store)} yields no value`);
  if (!native.canInjectKey(value, store.keyPathBytes)) {
    throw exception('DataError', `A generated key could not be stored: ${where(store)} leads into something that is no object`);
  }
}

/**
 * @param {SourceHandle} handle whose object becomes the source of the request
 * @param {Clone} clone
 * @param {Uint8Array | null} key
 * @param {boolean} noOverwrite
 */
function putOperation(handle, clone, key, noOverwrite) {
  const { bytes, valueOffset } = operations.put(handle.store, clone.bytes, key, noOverwrite);
  const { object, operation } = createRequest(handle, bytes, (response) => response.key());
  if (clone.blobs !== null) {
    operation.waiting = fillBlobs(bytes, valueOffset, clone.blobs);
    // Its turn hears of a failure. Until then, and if the transaction is aborted before, nobody listens: that is no
    // unhandled rejection.
    operation.waiting.catch(() => {});
  }
  return object;
}

/**
 * Reads what Blobs hold into the places the clone has left for them.
 * @param {Uint8Array} bytes
 * @param {number} valueOffset
 * @param {NonNullable<Clone['blobs']>} blobs
 */
async function fillBlobs(bytes, valueOffset, blobs) {
  await Promise.all(
    blobs.map(async ({ offset, blob, size }) => {
      const content = await blobContent(blob);
      if (content.length !== size) throw new RangeError(`a Blob of ${size} bytes gave ${content.length}`);
      bytes.set(content, valueOffset + offset);
    }),
  );
}

module.exports = { cloneDuringTransaction, extractKeyFrom, checkInlineKey, putOperation };
