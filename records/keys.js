'use strict';

/** Keys: strings in UTF-8, or bytes; ordered as bytes either way. */

const { isUtf8 } = require('node:buffer');
const { types } = require('node:util');
const { FlowDBError, invalid } = require('./errors.js');
const { expected } = require('./options.js');

/** Longest key, in bytes. */
const KEY_BYTES_MAX = 512 * 1024;

const EMPTY = Buffer.alloc(0);

/**
 * @param {any} key
 * @param {string} [name] what to call it in errors
 * @returns {Uint8Array}
 */
function encodeKey(key, name = 'key') {
  const bytes = toBytes(key, name);
  if (bytes.length > KEY_BYTES_MAX) {
    throw new FlowDBError('FLOWDB_TOO_LARGE', `${name} of ${bytes.length} bytes; the limit is ${KEY_BYTES_MAX}`);
  }
  return bytes;
}

/**
 * @param {any} key
 * @param {string} name
 * @returns {Uint8Array}
 */
function toBytes(key, name) {
  if (typeof key === 'string') {
    if (!isWellFormed(key)) throw invalid(name, 'the string has a lone surrogate, which UTF-8 cannot hold');
    return Buffer.from(key, 'utf8');
  }
  if (types.isUint8Array(key)) return checkBytes(key, name);
  throw expected(name, key, 'a string or a Uint8Array');
}

/**
 * Memory that was transferred to someone else looks as if nothing had been in it.
 *
 * @param {Uint8Array} bytes
 * @param {string} name
 * @returns {Uint8Array}
 */
function checkBytes(bytes, name) {
  if (bytes.length > 0) return bytes;
  try {
    EMPTY.set(bytes);
  } catch {
    throw invalid(name, 'the memory of the Uint8Array was detached');
  }
  return bytes;
}

/**
 * @param {string} text
 * @returns {boolean}
 */
function isWellFormed(text) {
  return /** @type {any} */ (text).isWellFormed();
}

/**
 * @param {Buffer} bytes shared with others; the result is not
 * @param {string} keyEncoding
 * @returns {string | Buffer} bytes too where the key is not UTF-8
 */
function decodeKey(bytes, keyEncoding) {
  return keyEncoding === 'utf8' && isUtf8(bytes) ? bytes.toString('utf8') : Buffer.from(bytes);
}

module.exports = { KEY_BYTES_MAX, checkBytes, decodeKey, encodeKey, isWellFormed };
