'use strict';

// The transactions of kill.test.js: the n-th one follows from seed, round and n alone, so that the writer, which is killed, and the
// test, which knows what must be there, make the same.

const { Random } = require('../../support/random_value');

const KEYS = 40;
const TAGS = ['red', 'green', 'blue', 'grey'];
/** Some transactions are larger than what is committed on the thread of JavaScript. */
const LARGE_RECORDS = 300;
const LARGE_TEXT = 'x'.repeat(1500);

/**
 * @typedef {{ op: 'put', key: number, tags: string[], group: number, text: string }
 *   | { op: 'delete', from: number, to: number } | { op: 'add' } | { op: 'clear' }} Operation
 * @typedef {{ number: number, durability: 'strict' | 'relaxed', aborts: boolean, upgrade: boolean, operations: Operation[] }} Transaction
 */

/**
 * @param {Random} random
 * @returns {Operation}
 */
function operation(random) {
  const key = random.below(KEYS);
  switch (random.below(12)) {
    case 0: return { op: 'delete', from: key, to: key + random.below(6) };
    case 1: return random.below(6) === 0 ? { op: 'clear' } : { op: 'add' };
    case 2:
    case 3: return { op: 'add' };
    default: return { op: 'put', key, tags: TAGS.filter(() => random.below(2) === 0), group: random.below(5), text: 'y'.repeat(random.below(100)) };
  }
}

/** @param {Random} random */
function operations(random) {
  const list = Array.from({ length: 1 + random.below(12) }, () => operation(random));
  if (random.below(40) !== 0) return list;
  for (let i = 0; i < LARGE_RECORDS; i++) list.push({ op: 'put', key: KEYS + i, tags: ['large'], group: i % 7, text: LARGE_TEXT });
  return list;
}

/**
 * @param {number} seed
 * @param {number} round
 * @param {number} number
 * @returns {Transaction}
 */
function transactionOf(seed, round, number) {
  const random = new Random(seed * 1_000_003 + round * 10_007 + number);
  for (let i = 0; i < 3; i++) random.next();
  const upgrade = random.below(30) === 0;
  return {
    number, upgrade, durability: random.below(3) === 0 ? 'strict' : 'relaxed', aborts: random.below(10) === 0, operations: operations(random),
  };
}

module.exports = { transactionOf };
