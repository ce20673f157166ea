'use strict';

// The standard's steps on a decoded value: what the reader in Rust must agree with, though it works on the bytes.

const { decode } = require('../../values/decode.js');
const { encodeKey } = require('../../indexeddb/internal/keys');

const FAILURE = Symbol('failure');

/**
 * @param {any} value
 * @param {string} identifier
 */
function step(value, identifier) {
  if (typeof value === 'string' && identifier === 'length') return value.length;
  if (!isObject(value)) return FAILURE;
  const found = ownProperty(value, identifier);
  return found === undefined ? FAILURE : found;
}

/**
 * A property of an object's own, or one that the standard takes for such.
 * @param {any} value
 * @param {string} identifier
 */
function ownProperty(value, identifier) {
  if (value instanceof Blob && (identifier === 'size' || identifier === 'type')) return value[identifier];
  if (value instanceof File && (identifier === 'name' || identifier === 'lastModified')) return value[identifier];
  return Object.hasOwn(value, identifier) ? value[identifier] : FAILURE;
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
  for (const identifier of keyPath.split('.')) {
    value = step(value, identifier);
    if (value === FAILURE) return FAILURE;
  }
  return value;
}

/**
 * The encoded keys of a value in a multiEntry index: those of its elements that are valid, each once, or its own.
 * https://w3c.github.io/IndexedDB/#convert-a-value-to-a-multientry-key
 * @param {unknown} input a value without getters
 * @returns {Uint8Array[] | null} `null`: invalid
 */
function encodeMultiEntryKeys(input) {
  const keys = (Array.isArray(input) ? input : [input]).flatMap((element) => encodeKey(element) ?? []);
  if (!Array.isArray(input)) return keys.length === 0 ? null : keys;
  return [...new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), key])).values()];
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

/**
 * https://w3c.github.io/IndexedDB/#check-that-a-key-could-be-injected-into-a-value, with objects of any class, as browsers do.
 * @param {Uint8Array} bytes
 * @param {string} keyPath
 * @returns {boolean}
 */
function canInject(bytes, keyPath) {
  let value = decode(bytes);
  for (const identifier of keyPath.split('.').slice(0, -1)) {
    if (!isObject(value)) return false; // step 4.1
    const found = ownProperty(value, identifier);
    if (found === FAILURE) return true; // step 4.3
    value = found; // step 4.4
  }
  return isObject(value); // step 5
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

module.exports = { canInject, keyAt };
