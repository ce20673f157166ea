'use strict';

// Goal: the order of encoded keys is the order of IndexedDB, and conversion is the standard's.
// Method: vectors shared with Rust in the intended order, random keys, arrays that misbehave, damaged bytes.

const test = require('node:test');
const assert = require('node:assert');
const util = require('node:util');
const { encodeKey, keyFromValue, decodeKey, compareKeys } = require('../../indexeddb/internal/keys');
const { isValidKeyPath, encodeKeyPath, decodeKeyPath } = require('../../indexeddb/internal/key_path');
const { Random, randomKey } = require('../support/random_value');
const vectors = require('../vectors/keys.json');

/** @param {string} expression */
const evaluate = (expression) => (0, eval)(expression);
/** @param {Uint8Array} bytes */
const hexOf = (bytes) => Buffer.from(bytes).toString('hex');

/**
 * What a key becomes when it is given back: buffer sources are ArrayBuffers, -0 is 0.
 * @param {any} key
 * @returns {any}
 */
function normalized(key) {
  if (typeof key === 'number') return key + 0;
  if (ArrayBuffer.isView(key)) return Uint8Array.from(/** @type {any} */ (key)).buffer;
  return Array.isArray(key) ? key.map(normalized) : key;
}

test('vectors: encoded, decoded, and in order', () => {
  for (const { expression, hex } of vectors) {
    const key = evaluate(expression);
    assert.strictEqual(hexOf(keyFromValue(key)), hex, expression);
    assert.ok(util.isDeepStrictEqual(decodeKey(Buffer.from(hex, 'hex')), normalized(key)), expression);
  }
  const keys = vectors.map(({ hex }) => Buffer.from(hex, 'hex'));
  keys.forEach((a, i) => keys.forEach((b, j) => assert.strictEqual(compareKeys(a, b), Math.sign(i - j))));
});

test('random keys survive, and none is a prefix of another', () => {
  const random = new Random(5);
  const seen = new Set();
  for (let i = 0; i < 3000; i++) {
    const key = randomKey(random);
    const bytes = keyFromValue(key);
    assert.ok(util.isDeepStrictEqual(decodeKey(bytes), normalized(key)), util.inspect(key));
    seen.add(hexOf(bytes));
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeKey(bytes.subarray(0, end)), { code: 'FLOWDB_CORRUPTION' });
    }
  }
  const sorted = [...seen].sort();
  for (let i = 1; i < sorted.length; i++) assert.ok(!sorted[i].startsWith(sorted[i - 1]), `${sorted[i]} ${sorted[i - 1]}`);
});

test('strings of all lengths and widths are encoded unit by unit', () => {
  const unitsOf = { ascii: [0, 0x7d], 'the end of one byte': [0x7c, 0x7e], latin1: [0x61, 0xff], wide: [0x61, 0x407f], surrogates: [0xd800, 0xdfff] };
  const encoded = (/** @type {number} */ unit) => {
    if (unit < 0x7e) return [unit + 2];
    return unit < 0x407e ? [0x80 + ((unit - 0x7e) >> 8), (unit - 0x7e) & 0xff] : [0xc0, (unit - 0x407e) >> 8, (unit - 0x407e) & 0xff];
  };
  for (const [name, [usual, rare]] of Object.entries(unitsOf)) {
    for (const length of [31, 32, 33, 127, 128, 129, 255, 4127, 4128, 4129, 8225]) {
      for (const place of [0, length - 1]) {
        const units = Array.from({ length }, (_, i) => (i === place ? rare : usual));
        const string = units.map((unit) => String.fromCharCode(unit)).join('');
        for (const key of [string, ['a', string, 1]]) {
          const bytes = encodeKey(key);
          assert.ok(Buffer.from(/** @type {Uint8Array} */ (bytes)).includes(Buffer.from([0x30, ...units.flatMap(encoded), 0x01])), `${name} ${length} ${place}`);
          assert.deepStrictEqual(decodeKey(/** @type {Uint8Array} */ (bytes)), key);
        }
      }
    }
  }
});

test('damaged keys are keys or errors with a code', () => {
  const random = new Random(6);
  // Dates have more bytes than values: fractions of a millisecond, and times beyond their range.
  const sources = vectors.filter(({ expression }) => !expression.includes('Date'));
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(random.pick(sources).hex, 'hex');
    const at = random.below(bytes.length);
    bytes[at] = random.next();
    if (bytes[at] === 0x20) continue;
    try {
      assert.strictEqual(hexOf(keyFromValue(decodeKey(bytes))), hexOf(bytes));
    } catch (error) {
      assert.strictEqual(/** @type {any} */ (error).code, 'FLOWDB_CORRUPTION', `${hexOf(bytes)}: ${error}`);
    }
  }
});

test('values that are no keys', () => {
  const cyclic = /** @type {any[]} */ ([1]);
  cyclic.push([cyclic]);
  const detached = new Uint8Array(2);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  for (const value of [
    undefined, null, true, NaN, 1n, Symbol('s'), {}, () => 0, new Date(NaN), Object(1), Object('a'), /a/, new Map(), [undefined], [1, , 2], new Array(1e9),
    [NaN], cyclic, detached, detached.buffer, new SharedArrayBuffer(1), new Uint8Array(new SharedArrayBuffer(1)), new Proxy([], {}), new Proxy(new Date(0), {}),
  ]) {
    assert.strictEqual(encodeKey(value), null);
    assert.throws(() => keyFromValue(value), (error) => error instanceof DOMException && error.name === 'DataError');
  }
});

test('arrays: shared parts are valid, depth and size are limited', () => {
  const shared = [1];
  assert.ok(encodeKey([shared, shared]));
  /** @param {number} depth @returns {any} */
  const nested = (depth) => (depth === 0 ? 1 : [nested(depth - 1)]);
  assert.ok(encodeKey(nested(64)));
  assert.strictEqual(encodeKey(nested(65)), null);
  assert.ok(encodeKey('a'.repeat((1 << 20) - 2)));
  assert.strictEqual(encodeKey('a'.repeat((1 << 20) - 1)), null);
  assert.strictEqual(encodeKey(new Uint8Array(1 << 20)), null);
  let doubling = /** @type {any} */ ([1]);
  for (let i = 0; i < 60; i++) doubling = [doubling, doubling];
  assert.strictEqual(encodeKey(doubling), null);
});

test('user code in arrays', () => {
  const thrown = new Error('mine');
  const throwing = Object.defineProperty([1, 2], 1, { get() { throw thrown; } });
  assert.throws(() => encodeKey(throwing), (error) => error === thrown);
  /** @type {any[]} */
  const shrinking = [1, 2, 3];
  Object.defineProperty(shrinking, 0, { get() { shrinking.length = 1; return 1; } });
  assert.strictEqual(encodeKey(shrinking), null);
});

test('elements are defined, not assigned', () => {
  const bytes = keyFromValue([1, 2]);
  Object.defineProperty(Array.prototype, '0', { set() { throw new Error('setter'); }, configurable: true });
  let key;
  try {
    key = decodeKey(bytes);
  } finally {
    delete (/** @type {any} */ (Array.prototype)[0]);
  }
  assert.deepStrictEqual(key, [1, 2]);
});

test('key paths: validity', () => {
  for (const valid of ['', 'a', 'a.b', '$.x_1', 'ä', '\u4e00.b', 'a\u200d', '\ud842\udfb7', 'class', ['a'], ['', 'a.b']]) assert.ok(isValidKeyPath(valid), String(valid));
  for (const invalid of [' ', 'a b', 'a ', '1', 'a.', '.a', 'a..b', 'a-b', 'a[0]', '\ud800', '\u200da', [], ['a', 'b c'], [['a']], null, 5]) {
    assert.ok(!isValidKeyPath(invalid), String(invalid));
  }
});

test('key paths: bytes', () => {
  assert.strictEqual(hexOf(encodeKeyPath(null)), '00');
  assert.strictEqual(hexOf(encodeKeyPath('a')), '01010000006100');
  assert.strictEqual(hexOf(encodeKeyPath(['', 'a'])), '0202000000000000000100000061' + '00');
  for (const keyPath of [null, '', 'a.b', '\u4e00', ['a'], ['a', '', 'b.c']]) {
    const bytes = Buffer.concat([Buffer.of(9), encodeKeyPath(keyPath), Buffer.of(9)]);
    assert.deepStrictEqual(decodeKeyPath(bytes, 1), { keyPath, end: bytes.length - 1 });
  }
});
