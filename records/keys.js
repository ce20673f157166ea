'use strict';

/** Keys: strings in UTF-8, or bytes; ordered as bytes either way. */

const { isUtf8 } = require('node:buffer');
const { types } = require('node:util');
const { FlowDBError, invalid } = require('./errors.js');
const { expected } = require('./options.js');

/** Longest key, in bytes. */
const KEY_BYTES_MAX = 512 * 1024;

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
  if (types.isUint8Array(key)) return key;
  throw expected(name, key, 'a string or a Uint8Array');
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

module.exports = { KEY_BYTES_MAX, decodeKey, encodeKey, isWellFormed };
