'use strict';

// Values are read in two ways: a fast one that knows the shapes of objects, and a general one for the rest. Nobody can tell which it was.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { encode } = require('../../values/clone.js');
const { decode } = require('../../values/decode.js');

const roundTrip = (value) => decode(encode(value).bytes);

/** Often enough for a shape to be compiled. */
function manyTimes(value) {
  for (let i = 0; i < 40; i += 1) assert.deepEqual(roundTrip(value), value);
}

test('objects with the same names, in other orders, and with some of them', () => {
  manyTimes({ a: 1, b: 'two', c: [3, { a: null, d: undefined }], e: new Date(5) });
  manyTimes({ b: 'two', a: 1 });
  manyTimes({ a: 1 });
  manyTimes({});
  manyTimes({ 2: 'two', 1: 'one', ab: { 1: 'one' } });
  assert.deepEqual(Object.keys(roundTrip({ z: 1, y: 2, 3: 4 })), ['3', 'z', 'y']);
});

test('names that are more than names elsewhere are properties', () => {
  const value = Object.defineProperty({ constructor: 1, toString: 2, 'quo"ted\\': 3, 'line\u2028': 4 }, '__proto__', {
    value: { x: 1 }, enumerable: true, configurable: true, writable: true,
  });
  for (let i = 0; i < 40; i += 1) {
    const read = roundTrip(value);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
    assert.deepEqual(Object.getOwnPropertyDescriptor(read, '__proto__').value, { x: 1 });
    assert.deepEqual(Object.entries(read), Object.entries(value));
  }
});

test('setters on prototypes are not met', () => {
  const met = [];
  for (const [object, key] of [[Object.prototype, 'planted'], [Array.prototype, '0']]) {
    Object.defineProperty(object, key, { configurable: true, set: (value) => met.push(value) });
  }
  try {
    for (let i = 0; i < 40; i += 1) {
      const read = roundTrip({ planted: [i] });
      assert.equal(Object.getOwnPropertyDescriptor(Object.getOwnPropertyDescriptor(read, 'planted').value, '0').value, i);
    }
  } finally {
    delete Object.prototype.planted;
    delete Array.prototype[0];
  }
  assert.deepEqual(met, []);
});

test('names that are data, and more shapes than are kept', () => {
  for (let i = 0; i < 6000; i += 1) {
    const value = { [`name ${i}`]: i, other: { [`inner ${i}`]: 'text' } };
    assert.deepEqual(roundTrip(value), value);
  }
});

test('numbers and strings at the borders of their codings', () => {
  const integers = [0, 1, 63, 64, 8191, 8192, 2 ** 31, 2 ** 32 + 1, 2 ** 45, 2 ** 52, Number.MAX_SAFE_INTEGER];
  const numbers = [...integers, ...integers.map((each) => -each), -0, 0.5, NaN, Infinity, 2 ** 53, 5e-324];
  assert.deepEqual(roundTrip(numbers), numbers);
  for (const unit of ['a', '\xe9', '\u20ac', '\ud800']) {
    const strings = Array.from({ length: 60 }, (_, length) => unit.repeat(length)).concat(unit.repeat(20_000));
    assert.deepEqual(roundTrip(strings), strings);
  }
});

test('what the fast way leaves to the other is read whole', () => {
  const shared = { x: 1 };
  const value = { first: shared, again: [shared], map: new Map([[shared, new Set([1n, /x/g])]]), error: new TypeError('t') };
  const read = roundTrip(value);
  assert.equal(read.first, read.again[0]);
  assert.equal([...read.map.keys()][0], read.first);
  assert.deepEqual([...read.map.values()][0], new Set([1n, /x/g]));
  assert.equal(read.error.message, 't');
  let deep = 0;
  for (let i = 0; i < 200; i += 1) deep = { deep: [deep] };
  assert.deepEqual(roundTrip(deep), deep);
});

test('a damaged value is refused, wherever it lies', () => {
  const value = { id: 1, name: 'a name', list: [1, 'two', { three: 3.5 }], map: new Map([['k', new Uint8Array(4)]]) };
  const { bytes } = encode(value);
  // What follows in the same memory must not be taken for a part of it.
  const memory = Buffer.concat([bytes, bytes]);
  for (let end = 1; end < bytes.length; end += 1) {
    assert.throws(() => decode(memory, 0, end), { code: 'FLOWDB_CORRUPTION' }, `cut to ${end} bytes`);
  }
  assert.throws(() => decode(memory, 0, bytes.length + 1), { code: 'FLOWDB_CORRUPTION' });
  assert.deepEqual(decode(memory, bytes.length), value);
});
