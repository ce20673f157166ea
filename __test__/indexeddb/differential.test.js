'use strict';

// Goal: what the reader in Rust finds in the bytes of a value is what the standard's steps find in the value itself.
// Method: random values and key paths, written by clone.js, read natively and by the oracle; then damaged bytes. FLOWDB_SEED is
// the first seed, FLOWDB_SEEDS how many there are; without them a run takes about two seconds.

const test = require('node:test');
const assert = require('node:assert');
const util = require('node:util');
const { encode } = require('../../values/clone.js');
const { decode, decodeWithKey } = require('../../values/decode.js');
const { encodeKeyPath, isValidKeyPath } = require('../../indexeddb/internal/key_path');
const native = require('../../indexeddb/internal/native.js').native();
const { canInject, keyAt } = require('../support/key_path_oracle');
const { Random, randomKey, randomValue } = require('../support/random_value');

const SEED_FIRST = Number(process.env.FLOWDB_SEED ?? 1);
const SEEDS = Number(process.env.FLOWDB_SEEDS ?? 1500);
/** Damaging every byte of a value costs much more than reading it once. */
const SEEDS_PER_DAMAGED = 25;
const PATHS_PER_VALUE = 12;

const IDENTIFIERS = [
  'a', 'b', 'id', 'name', 'length', '__proto__', 'constructor', 'toString', '\u00e4', '\u4e00', 'size', 'type', 'lastModified', 'byteLength',
  'message', 'stack', 'lastIndex', 'key', 'extra', 'none',
];

/** @param {Random} random */
function randomString(random) {
  if (random.below(12) === 0) return '';
  return Array.from({ length: 1 + random.below(4) }, () => random.pick(IDENTIFIERS)).join('.');
}

/**
 * A valid one: no index of an array is an identifier.
 * @param {Random} random
 * @param {any} value half of the paths lead to something in it
 * @returns {string | string[]}
 */
function randomKeyPath(random, value) {
  const one = () => (random.below(2) === 0 ? randomString(random) : pathInto(random, value));
  return random.below(4) === 0 ? Array.from({ length: 1 + random.below(3) }, one) : one();
}

/**
 * @param {Random} random
 * @param {any} value
 */
function pathInto(random, value) {
  const path = [];
  while (typeof value === 'object' && value !== null) {
    const names = Object.keys(value).filter((name) => !name.includes('.') && isValidKeyPath(name));
    if (names.length === 0 || random.below(5) === 0) break;
    const name = random.pick(names);
    if (name === '') break;
    path.push(name);
    value = Object.getOwnPropertyDescriptor(value, name)?.value;
  }
  if (random.below(6) === 0) path.push(random.pick(IDENTIFIERS));
  return path.join('.');
}

/**
 * Random values hold few valid keys, so half of them get some.
 * @param {Random} random
 */
function randomRecord(random) {
  const value = randomValue(random, 30);
  if (random.below(2) === 0) return value;
  const key = randomKey(random);
  return { key, a: { b: randomKey(random), id: [key, value, key] }, id: value, blob: random.below(4) === 0 ? randomBlob(random) : null };
}

/** @param {Random} random */
function randomBlob(random) {
  const parts = ['x'.repeat(random.below(4))];
  return random.below(2) === 0 ? new Blob(parts, { type: 'a/b' }) : new File(parts, 'name', { lastModified: random.next() });
}

/**
 * The answer of the native side in the words of the oracle.
 * @param {Uint8Array} answer
 * @param {boolean} multiEntry
 */
function readAnswer(answer, multiEntry) {
  if (answer[0] === 0) return 'nothing';
  if (answer[0] === 1) return 'invalid';
  const bytes = Buffer.from(answer).subarray(1);
  if (!multiEntry) return bytes.toString('hex');
  const keys = [];
  let position = 4;
  for (let count = bytes.readUInt32LE(0); count > 0; count -= 1) {
    const end = position + 4 + bytes.readUInt32LE(position);
    keys.push(bytes.toString('hex', position + 4, end));
    position = end;
  }
  assert.strictEqual(position, bytes.length);
  return keys;
}

/**
 * @param {import('node:test').TestContext} t
 * @param {number} count
 * @param {(random: Random, seed: number) => void} check
 */
function forEachSeed(t, count, check) {
  t.diagnostic(`FLOWDB_SEED=${SEED_FIRST} FLOWDB_SEEDS=${count}`);
  for (let seed = SEED_FIRST; seed < SEED_FIRST + count; seed += 1) check(new Random(seed), seed);
}

test('native and JavaScript find the same keys', (t) => {
  const found = { nothing: 0, invalid: 0, key: 0, injectable: 0 };
  forEachSeed(t, SEEDS, (random, seed) => {
    const value = randomRecord(random);
    const { bytes } = encode(value);
    for (let i = 0; i < PATHS_PER_VALUE; i += 1) {
      const keyPath = randomKeyPath(random, value);
      const multiEntry = !Array.isArray(keyPath) && random.below(2) === 0;
      const what = `seed ${seed}, key path ${util.inspect(keyPath)}, ${Buffer.from(bytes).toString('hex')}`;
      const encodedPath = encodeKeyPath(keyPath);
      const expected = keyAt(bytes, keyPath, multiEntry);
      assert.deepStrictEqual(readAnswer(native.extractKey(bytes, encodedPath, multiEntry), multiEntry), expected, what);
      found[expected === 'nothing' || expected === 'invalid' ? expected : 'key'] += 1;
      if (Array.isArray(keyPath) || keyPath === '') continue;
      const injectable = canInject(bytes, keyPath);
      assert.strictEqual(native.canInjectKey(bytes, encodedPath), injectable, what);
      if (injectable && expected === 'nothing') found.injectable += checkInjection(bytes, keyPath, what);
    }
  });
  t.diagnostic(util.inspect(found));
  assert.ok(Object.values(found).every((count) => count > 0), 'the values and key paths have become one-sided');
});

/**
 * A generated key is found where it was said to have a place.
 * @param {Uint8Array} bytes
 * @param {string} keyPath
 * @param {string} what
 */
function checkInjection(bytes, keyPath, what) {
  let value = decodeWithKey(bytes, keyPath, 7);
  for (const identifier of keyPath.split('.')) value = Object.getOwnPropertyDescriptor(value, identifier)?.value;
  assert.strictEqual(value, 7, what);
  return 1;
}

test('what is read is what was written', (t) => {
  forEachSeed(t, SEEDS, (random, seed) => {
    const value = randomValue(random);
    const copy = decode(encode(value).bytes);
    assert.ok(util.isDeepStrictEqual(copy, value), `seed ${seed}: ${util.inspect(value)} became ${util.inspect(copy)}`);
  });
});

test('damaged values are answers or errors with a code', (t) => {
  forEachSeed(t, Math.ceil(SEEDS / SEEDS_PER_DAMAGED), (random, seed) => {
    const value = randomRecord(random);
    const bytes = Buffer.from(encode(value).bytes);
    const keyPaths = [randomKeyPath(random, value), randomKeyPath(random, value), ''].map(encodeKeyPath);
    const read = (/** @type {Uint8Array} */ damaged, /** @type {number} */ i) => {
      const keyPath = keyPaths[i % keyPaths.length];
      allowCorruption(seed, () => native.extractKey(damaged, keyPath, i % 2 === 0));
      allowCorruption(seed, () => native.canInjectKey(damaged, keyPath));
    };
    for (let i = 0; i < bytes.length; i += 1) {
      read(bytes.subarray(0, i), i);
      const before = bytes[i];
      for (const flip of [1 << random.below(8), 0xff, random.next() & 0xff]) {
        bytes[i] = before ^ flip;
        read(bytes, i + flip);
      }
      bytes[i] = before;
    }
  });
});

/**
 * @param {number} seed
 * @param {() => unknown} f
 */
function allowCorruption(seed, f) {
  try {
    f();
  } catch (error) {
    assert.strictEqual(/** @type {any} */ (error).code, 'FLOWDB_CORRUPTION', `seed ${seed}: ${error}`);
  }
}

test('damaged key paths are answers or errors with a code', (t) => {
  forEachSeed(t, Math.ceil(SEEDS / SEEDS_PER_DAMAGED), (random, seed) => {
    const value = randomRecord(random);
    const { bytes } = encode(value);
    const keyPath = Buffer.from(encodeKeyPath(randomKeyPath(random, value)));
    for (let i = 0; i < keyPath.length; i += 1) {
      refusesOrAnswers(seed, () => native.extractKey(bytes, keyPath.subarray(0, i), false));
      const before = keyPath[i];
      keyPath[i] = before ^ (1 + random.below(255));
      refusesOrAnswers(seed, () => native.extractKey(bytes, keyPath, true));
      keyPath[i] = before;
    }
  });
});

/**
 * @param {number} seed
 * @param {() => unknown} f
 */
function refusesOrAnswers(seed, f) {
  try {
    f();
  } catch (error) {
    assert.match(String(/** @type {any} */ (error).code), /^FLOWDB_/, `seed ${seed}: ${error}`);
  }
}
