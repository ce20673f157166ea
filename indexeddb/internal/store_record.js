'use strict';

// What put(), add() and update() share: the clone, its key, and the request with the bytes.

const { blobContent } = require('./blob_content.js');
const { assertActive } = require('./checks.js');
const { encodeForNow } = require('../../values/clone.js');
const { exception } = require('../../common/exceptions.js');
const { native } = require('./native.js');
const operations = require('./operations.js');
const { createRequest, objectOf } = require('./source.js');

/** @typedef {import('./schema.js').ObjectStore} ObjectStore */
/** @typedef {import('./source.js').SourceHandle} SourceHandle */
/** @typedef {ReturnType<typeof encodeForNow>} Clone */

const EXTRACTED_NOTHING = 0;
const EXTRACTED_INVALID = 1;

/**
 * "Clone a value in realm during transaction": https://w3c.github.io/IndexedDB/#clone. Getters of the value run here and must not
 * be able to place requests.
 * @param {import('./transaction_lifecycle.js').Transaction} transaction
 * @param {unknown} value
 * @param {string | null} keyName the property that is the key, if the key path is as simple as that
 */
function cloneDuringTransaction(transaction, value, keyName) {
  assertActive(transaction); // a getter of the key may have ended it
  transaction.state = 'inactive';
  let clone;
  try {
    clone = encodeForNow(value, keyName);
  } finally {
    // A getter may have aborted it, and what is finished stays so.
    if (transaction.state === 'inactive') transaction.state = 'active';
  }
  assertActive(transaction);
  return clone;
}

/**
 * The encoded key at the store's key path in a value; null if there is nothing.
 * @param {Uint8Array} value
 * @param {ObjectStore} store
 */
function extractKeyFrom(value, store) {
  const result = native().extractKey(value, store.keyPathBytes, false);
  if (result[0] === EXTRACTED_NOTHING) return null;
  if (result[0] === EXTRACTED_INVALID) throw exception('DataError', `${where(store)} yields something that is not a key`);
  return result.subarray(1);
}

/** @param {ObjectStore} store */
function where({ name, keyPath }) {
  return `the key path '${keyPath}' of object store '${name}'`;
}
/** Strings up to this length are keys, whatever their characters; longer ones may exceed what a key may take. */
const SURELY_KEY_LENGTH = 1 << 16;

/**
 * Steps of "add or put" for in-line keys.
 * @param {Clone} clone
 * @param {ObjectStore} store
 */
function checkInlineKey({ bytes: value, keyProperty }, store) {
  if (typeof keyProperty === 'number' && keyProperty === keyProperty) return;
  if (typeof keyProperty === 'string' && keyProperty.length <= SURELY_KEY_LENGTH) return;
  if (extractKeyFrom(value, store) !== null) return;
  if (!store.autoIncrement) throw exception('DataError', `${where(store)} yields no value`);
  if (!native().canInjectKey(value, store.keyPathBytes)) {
    throw exception('DataError', `A generated key could not be stored: ${where(store)} leads into something that is no object`);
  }
}

/** @param {import('./response.js').Response} response */
const readKey = (response) => response.key();

/**
 * @param {SourceHandle} handle whose object becomes the source of the request
 * @param {Clone} clone
 * @param {Uint8Array | null} key
 * @param {boolean} noOverwrite
 */
function putOperation(handle, clone, key, noOverwrite) {
  handle.store.isNew = false;
  const packed = operations.put(handle.store, clone.bytes, key, noOverwrite);
  const operation = createRequest(handle, packed, readKey);
  if (clone.blobs !== null) {
    operation.waiting = fillBlobs(packed.chunk, packed.end - clone.bytes.length, clone.blobs);
    // Its turn hears of a failure. Until then, and if the transaction is aborted before, nobody listens: that is no
    // unhandled rejection.
    operation.waiting.catch(() => {});
  }
  return objectOf(operation);
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
