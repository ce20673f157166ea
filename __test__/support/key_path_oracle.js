'use strict';

// The standard's steps on a decoded value: what the reader in Rust must agree with, though it works on the bytes.

const { decode } = require('../../indexeddb/internal/decode');
const { encodeKey, encodeMultiEntryKeys } = require('../../indexeddb/internal/keys');
const { splitKeyPath } = require('../../indexeddb/internal/key_path');

const FAILURE = Symbol('failure');

/**
 * @param {any} value
 * @param {string} identifier
 */
function step(value, identifier) {
  if (typeof value === 'string' && identifier === 'length') return value.length;
  if (value instanceof Blob && (identifier === 'size' || identifier === 'type')) return value[identifier];
  if (value instanceof File && (identifier === 'name' || identifier === 'lastModified')) return value[identifier];
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, identifier)) return FAILURE;
  return value[identifier] === undefined ? FAILURE : value[identifier];
}

/**
 * https://w3c.github.io/IndexedDB/#evaluate-a-key-path-on-a-value
 * @param {any} value
 * @param {string | string[]} keyPath
 * @returns {any}
 */
function evaluate(value, keyPath) {
  if (Array.isArray(keyPath)) {
    const found = keyPath.map((path) => evaluate(value, path));
    return found.includes(FAILURE) ? FAILURE : found;
  }
  if (keyPath === '') return value;
  for (const identifier of splitKeyPath(keyPath)) {
    value = step(value, identifier);
    if (value === FAILURE) return FAILURE;
  }
  return value;
}

/**
 * What is at the key path of an encoded value: 'nothing', 'invalid', or keys in hexadecimal.
 * @param {Uint8Array} bytes
 * @param {string | string[]} keyPath
 * @param {boolean} multiEntry
 * @returns {string | string[]}
 */
function keyAt(bytes, keyPath, multiEntry) {
  const found = evaluate(decode(bytes), keyPath);
  if (found === FAILURE) return 'nothing';
  const keys = multiEntry ? encodeMultiEntryKeys(found) : encodeKey(found);
  if (keys === null) return 'invalid';
  return Array.isArray(keys) ? keys.map((key) => Buffer.from(key).toString('hex')) : Buffer.from(keys).toString('hex');
}

module.exports = { keyAt };
