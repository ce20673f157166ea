'use strict';

/** Keys: strings in UTF-8, or bytes; ordered as bytes either way. */

const { isUtf8 } = require('node:buffer');
const { types } = require('node:util');
const { invalid, tooLarge } = require('../common/errors.js');
const { expected } = require('../common/options.js');

/** Longest key, in bytes. */
const KEY_BYTES_MAX = 512 * 1024;

const EMPTY = Buffer.alloc(0);

/** Longer strings than this, in UTF-16 units, are cheaper to write by a call of Node's. */
const SHORT = 48;

/** A unit of UTF-16 takes up no more than so many bytes in UTF-8. */
const UNIT_BYTES_MAX = 3;
const ASCII_MAX = 0x7f;

/**
 * @param {any} key
 * @param {string} [name] what to call it in errors
 * @returns {Uint8Array}
 */
function encodeKey(key, name = 'key') {
  const checked = checkKey(key, name);
  return typeof checked === 'string' ? Buffer.from(checked, 'utf8') : checked;
}

/**
 * @param {any} key
 * @param {string} [name] what to call it in errors
 * @returns {string | Uint8Array} the key, of which `writeKey` makes bytes
 */
function checkKey(key, name = 'key') {
  if (typeof key === 'string') {
    if (!isWellFormed(key)) throw invalid(name, 'the string has a lone surrogate, which UTF-8 cannot hold');
    if (keyBytesMax(key) > KEY_BYTES_MAX) checkLength(Buffer.byteLength(key, 'utf8'), name);
    return key;
  }
  if (!types.isUint8Array(key)) throw expected(name, key, 'a string or a Uint8Array');
  checkLength(key.length, name);
  return checkBytes(key, name);
}

/**
 * @param {number} length
 * @param {string} name
 */
function checkLength(length, name) {
  if (length > KEY_BYTES_MAX) throw tooLarge(name, `is ${length} bytes long; the limit is ${KEY_BYTES_MAX}`);
}

/**
 * @param {string | Uint8Array} key
 * @returns {number} at least as many bytes as it takes
 */
function keyBytesMax(key) {
  return typeof key === 'string' ? UNIT_BYTES_MAX * key.length : key.length;
}

/**
 * @param {string | Uint8Array} key checked
 * @param {Buffer} buffer with room for `keyBytesMax`
 * @param {number} offset
 * @returns {number} how many bytes it takes
 */
function writeKey(key, buffer, offset) {
  if (typeof key !== 'string') {
    buffer.set(key, offset);
    return key.length;
  }
  return key.length <= SHORT && writeAscii(key, buffer, offset) ? key.length : buffer.write(key, offset, 'utf8');
}

/**
 * @param {string} text
 * @param {Buffer} buffer
 * @param {number} offset
 * @returns {boolean} false if there are other characters in it
 */
function writeAscii(text, buffer, offset) {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > ASCII_MAX) return false;
    buffer[offset + index] = unit;
  }
  return true;
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

module.exports = { checkBytes, checkKey, decodeKey, encodeKey, isWellFormed, keyBytesMax, writeKey };
