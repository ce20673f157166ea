'use strict';

// https://w3c.github.io/IndexedDB/#key-path-construct

/** `IdentifierName` of the language; escapes are not resolved in key paths. */
const IDENTIFIER = /^[$_\p{ID_Start}][$_\u200c\u200d\p{ID_Continue}]*$/u;

/** What an encoded key path begins with. */
const KEY_PATH = Object.freeze({ none: 0, string: 1, array: 2 });

/** Most key paths are this, which is told sooner. */
const ASCII_IDENTIFIER = /^[$_a-zA-Z][$_a-zA-Z0-9]*$/;

/** @param {unknown} keyPath */
function isValidString(keyPath) {
  if (typeof keyPath !== 'string') return false;
  if (ASCII_IDENTIFIER.test(keyPath)) return true;
  return keyPath === '' || keyPath.split('.').every((identifier) => IDENTIFIER.test(identifier));
}

/**
 * True for a valid key path: a string, or a non-empty array of strings, of identifiers joined by periods.
 * https://w3c.github.io/IndexedDB/#valid-key-path
 * @param {unknown} keyPath after conversion by WebIDL: a string or an array of strings
 */
function isValidKeyPath(keyPath) {
  return Array.isArray(keyPath) ? keyPath.length > 0 && keyPath.every(isValidString) : isValidString(keyPath);
}

/**
 * The bytes of docs/format.md section 7.2.
 * @param {string | readonly string[] | null} keyPath
 * @returns {Uint8Array}
 */
function encodeKeyPath(keyPath) {
  if (keyPath === null) return Uint8Array.of(KEY_PATH.none);
  if (typeof keyPath === 'string') {
    const bytes = new Uint8Array(5 + keyPath.length * 2);
    bytes[0] = KEY_PATH.string;
    putString(bytes, 1, keyPath);
    return bytes;
  }
  const bytes = new Uint8Array(keyPath.reduce((size, string) => size + 4 + string.length * 2, 5));
  bytes[0] = KEY_PATH.array;
  putU32(bytes, 1, keyPath.length);
  let position = 5;
  for (const string of keyPath) position = putString(bytes, position, string);
  return bytes;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} position
 * @param {string} string
 */
function putString(bytes, position, string) {
  putU32(bytes, position, string.length);
  let end = position + 4;
  for (let i = 0; i < string.length; i += 1) {
    const unit = string.charCodeAt(i);
    bytes[end] = unit;
    bytes[end + 1] = unit >>> 8;
    end += 2;
  }
  return end;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} position
 * @param {number} value
 */
function putU32(bytes, position, value) {
  for (let i = 0; i < 4; i += 1) bytes[position + i] = value >>> (8 * i);
}

/**
 * Reads a key path from the catalog.
 * @param {Uint8Array} bytes
 * @param {number} [offset]
 * @returns {{ keyPath: string | string[] | null, end: number }} and where it ends
 */
function decodeKeyPath(bytes, offset = 0) {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = view.readUInt8(offset);
  if (kind === KEY_PATH.none) return { keyPath: null, end: offset + 1 };
  const isArray = kind === KEY_PATH.array;
  const count = isArray ? view.readUInt32LE(offset + 1) : 1;
  let end = offset + (isArray ? 5 : 1);
  const strings = [];
  for (let i = 0; i < count; i++) {
    const start = end + 4;
    end = start + view.readUInt32LE(end) * 2;
    if (end > view.length) throw new RangeError('a key path ends too early');
    strings.push(view.toString('utf16le', start, end));
  }
  return { keyPath: isArray ? strings : strings[0], end };
}

module.exports = { KEY_PATH, isValidKeyPath, encodeKeyPath, decodeKeyPath };
