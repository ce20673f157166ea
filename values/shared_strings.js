'use strict';

// Short strings of values that are read. Many records hold the same ones (kinds, states, tags, places), and what is made once needs no memory
// for each of them, and no work of the collector.

const { latin1Slice } = /** @type {any} */ (Buffer.prototype);

/** Longer strings are seldom the same. */
const SHARED_MAX = 16;
/** Up to this many code units a string is made by one call with all of them. */
const SHORT_MAX = 12;

/** A power of two. */
const PLACES = 4096;
/** Of the string that was met last at each place: one that is met once is not kept. */
const metHashes = new Int32Array(PLACES);
/** @type {string[]} */
const kept = new Array(PLACES).fill('');

/**
 * @param {Uint8Array} bytes in Latin-1
 * @param {number} start
 * @param {number} length up to SHARED_MAX
 * @returns {string}
 */
function sharedString(bytes, start, length) {
  let hash = length;
  for (let i = start; i < start + length; i += 1) hash = (Math.imul(hash, 31) + bytes[i]) | 0;
  const place = (hash ^ (hash >>> 12)) & (PLACES - 1);
  if (metHashes[place] !== hash) {
    metHashes[place] = hash;
    return shortString(bytes, start, length);
  }
  const known = kept[place];
  if (isAt(known, bytes, start, length)) return known;
  const made = shortString(bytes, start, length);
  kept[place] = made;
  return made;
}

/**
 * @param {string} string
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} length
 */
function isAt(string, bytes, start, length) {
  if (string.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (string.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

const of = String.fromCharCode;

/**
 * @param {Uint8Array} b
 * @param {number} i
 * @param {number} length
 * @returns {string}
 */
function shortString(b, i, length) {
  switch (length) {
    case 0: return '';
    case 1: return of(b[i]);
    case 2: return of(b[i], b[i + 1]);
    case 3: return of(b[i], b[i + 1], b[i + 2]);
    case 4: return of(b[i], b[i + 1], b[i + 2], b[i + 3]);
    case 5: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4]);
    case 6: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5]);
    case 7: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6]);
    case 8: return of(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7]);
    default: return length <= SHORT_MAX ? shortString(b, i, 8) + shortString(b, i + 8, length - 8) : latin1Slice.call(b, i, i + length);
  }
}

module.exports = { SHARED_MAX, sharedString };
