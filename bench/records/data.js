'use strict';

// The records: a key of 16 characters, a value of 100 bytes of which 50 are random, so that a compressor can halve it. All follow from their number.

const VALUE_BYTES = 100;
/** A prime, so that numbers that share a factor do not share values. */
const VALUES = 10_007;

/** Numbers that look random, the same ones for the same seed. @param {number} seed */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix(state);
  };
}

/** A permutation of the 32-bit numbers. @param {number} number */
function mix(number) {
  let mixed = number >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const hex = (/** @type {number} */ number) => number.toString(16).padStart(8, '0');

const sequentialKey = (/** @type {number} */ index) => String(index).padStart(16, '0');
const randomKey = (/** @type {number} */ index) => hex(mix(index)) + hex(mix(index ^ 0x5bd1e995));
/** Sorts between the keys that are there. @param {number} index */
const missingKey = (index) => `${randomKey(index).slice(0, 15)}x`;

const pool = makePool();

function makePool() {
  const bytes = Buffer.alloc(VALUES * VALUE_BYTES);
  const random = randomNumbers(1);
  for (let at = 0; at < bytes.length; at += VALUE_BYTES) {
    for (let index = 0; index < VALUE_BYTES / 2; index += 1) bytes[at + index] = random();
    bytes.copy(bytes, at + VALUE_BYTES / 2, at, at + VALUE_BYTES / 2);
  }
  return bytes;
}

/**
 * @param {number} index
 * @param {number} [version]  how many times it was overwritten
 */
function valueOf(index, version = 0) {
  const at = ((index + version * 31) % VALUES) * VALUE_BYTES;
  return pool.subarray(at, at + VALUE_BYTES);
}

/** What is cached with a time to live. @param {number} index */
function objectOf(index) {
  return { id: index, name: `user ${index}`, email: `user${index}@example.com`, tags: ['a', 'bc', 'def'], created: 1_700_000_000_000 + index };
}

/**
 * Numbers below `count`, the small ones far more often: Zipf's law with exponent 0.99, as YCSB has it.
 *
 * @param {number} count
 * @param {() => number} random
 */
function zipfian(count, random) {
  const theta = 0.99;
  let zeta = 0;
  for (let rank = 1; rank <= count; rank += 1) zeta += 1 / rank ** theta;
  const half = 1 + 0.5 ** theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - half / zeta);
  return () => {
    const uniform = random() / 2 ** 32;
    if (uniform * zeta < 1) return 0;
    if (uniform * zeta < half) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * uniform - eta + 1) ** alpha));
  };
}

module.exports = { missingKey, mix, objectOf, randomKey, randomNumbers, sequentialKey, valueOf, zipfian };
