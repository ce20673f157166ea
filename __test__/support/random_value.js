'use strict';

// Random values for tests, the same for the same seed.

/** Random numbers (SplitMix32); the same in every run. */
class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** @returns {number} an integer from 0 to 2^32 - 1 */
  next() {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** @param {number} end */
  below(end) {
    return this.next() % end;
  }

  /**
   * @template T
   * @param {readonly T[]} list
   * @returns {T}
   */
  pick(list) {
    return list[this.below(list.length)];
  }
}

const NUMBERS = [
  0, -0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53, 0.5, -1.5,
  5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, Infinity, -Infinity, NaN,
];
const UNITS = ['a', 'z', '0', ' ', '.', '\0', '\x7f', '\x80', '\xff', '\u0100', '\u407d', '\u407e', '\ud800', '\udfff', '\ud83d\ude00', '\uffff'];
const NAMES = ['a', 'b', 'id', 'name', 'length', '__proto__', 'constructor', 'toString', '', '0', '1', 'ä', '\u4e00'];
/** @type {any[]} */
const VIEWS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array,
  BigUint64Array, DataView,
];
const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

/** @param {Random} random */
function randomString(random) {
  const length = random.below(8) === 0 ? random.below(200) : random.below(10);
  const alphabet = random.below(3) === 0 ? UNITS : UNITS.slice(0, 9);
  let string = '';
  for (let i = 0; i < length; i++) string += random.pick(alphabet);
  return string;
}

/** @param {Random} random */
function randomNumber(random) {
  if (random.below(3) === 0) return random.pick(NUMBERS);
  return random.below(2) === 0 ? random.next() - 2 ** 31 : (random.next() - 2 ** 31) / 1000;
}

/** @param {Random} random */
function randomBigint(random) {
  let value = 0n;
  for (let i = random.below(6); i > 0; i--) value = (value << 32n) | BigInt(random.next());
  return random.below(2) === 0 ? value : -value;
}

/** @param {Random} random */
function randomPrimitive(random) {
  switch (random.below(8)) {
    case 0: return undefined;
    case 1: return null;
    case 2: return random.below(2) === 0;
    case 3: return randomBigint(random);
    case 4:
    case 5: return randomString(random);
    default: return randomNumber(random);
  }
}

/** @param {Random} random */
function randomBuffer(random) {
  const bytes = new Uint8Array(random.below(5) * 8);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.next();
  return bytes.buffer;
}

/** @param {Random} random */
function randomView(random) {
  const buffer = randomBuffer(random);
  const View = random.pick(VIEWS);
  if (random.below(2) === 0 || buffer.byteLength < 16) return new View(buffer);
  return new View(buffer, 8, View === DataView ? 8 : 8 / View.BYTES_PER_ELEMENT);
}

/** @param {Random} random */
function randomError(random) {
  const error = new (random.pick(ERRORS))(randomString(random));
  error.stack = randomString(random);
  return error;
}

/** @param {Random} random */
function randomLeaf(random) {
  switch (random.below(8)) {
    // No invalid one: util.isDeepStrictEqual takes it for unequal to itself on Node 20.
    case 0: return new Date(random.pick([0, -1, 8.64e15, random.next()]));
    case 1: return new RegExp(random.pick(['a', '[/]', '\\/', '', '\\u{61}']), random.pick(['', 'g', 'imsu', 'dgy']));
    case 2: return Object(random.pick([true, false, 1.5, -0, 'text', '', 12n]));
    case 3: return randomBuffer(random);
    case 4: return randomError(random);
    default: return randomView(random);
  }
}

/** Makes containers and keeps what was made, so that objects are shared and cycles arise. */
class ValueMaker {
  /** @type {object[]} */
  #made = [];
  #random;
  #left;

  /**
   * @param {Random} random
   * @param {number} size
   */
  constructor(random, size) {
    this.#random = random;
    this.#left = size;
  }

  /**
   * @param {number} depth
   * @returns {any}
   */
  value(depth) {
    const random = this.#random;
    this.#left--;
    if (depth === 0 || this.#left <= 0 || random.below(3) === 0) return randomPrimitive(random);
    const kind = random.below(10);
    if (kind === 0 && this.#made.length > 0) return random.pick(this.#made);
    if (kind <= 3) return this.#keep(randomLeaf(random));
    return this.#container(depth - 1);
  }

  /**
   * @template {object} T
   * @param {T} object
   */
  #keep(object) {
    this.#made.push(object);
    return object;
  }

  /** @param {number} depth */
  #container(depth) {
    const random = this.#random;
    const count = random.below(6);
    const kind = random.below(6);
    if (kind === 0) {
      const map = this.#keep(new Map());
      // Keys are primitives: whether two Maps with objects as keys are equal is not decided by any order.
      for (let i = 0; i < count; i++) map.set(randomPrimitive(random), this.value(depth));
      return map;
    }
    if (kind === 1) {
      const set = this.#keep(new Set());
      for (let i = 0; i < count; i++) set.add(randomPrimitive(random));
      return set;
    }
    return kind <= 3 ? this.#array(depth, count) : this.#properties(this.#keep({}), depth, count);
  }

  /**
   * @param {number} depth
   * @param {number} count
   */
  #array(depth, count) {
    const random = this.#random;
    /** @type {any[]} */
    const array = this.#keep([]);
    for (let i = 0; i < count; i++) array.push(this.value(depth));
    if (random.below(6) === 0) array.length += 2;
    if (random.below(6) === 0) Object.defineProperty(array, 'extra', propertyOf(this.value(depth)));
    return array;
  }

  /**
   * @param {object} object
   * @param {number} depth
   * @param {number} count
   */
  #properties(object, depth, count) {
    const random = this.#random;
    for (let i = 0; i < count; i++) {
      const name = random.below(4) === 0 ? randomString(random) : random.pick(NAMES);
      Object.defineProperty(object, name, propertyOf(this.value(depth)));
    }
    return object;
  }
}

/** @param {unknown} value */
function propertyOf(value) {
  return { value, writable: true, enumerable: true, configurable: true };
}

/**
 * A value of about `size` parts that can be cloned, with shared objects and cycles.
 * @param {Random} random
 * @param {number} [size]
 * @returns {any}
 */
function randomValue(random, size = 40) {
  return new ValueMaker(random, size).value(5);
}

/**
 * A value that is a valid key of IndexedDB.
 * @param {Random} random
 * @param {number} [depth]
 * @returns {any}
 */
function randomKey(random, depth = 3) {
  const kind = random.below(depth === 0 ? 4 : 5);
  const number = randomNumber(random);
  switch (kind) {
    case 0: return Number.isNaN(number) ? 0 : number;
    case 1: return new Date(random.pick([0, -1, 1, 8.64e15, -8.64e15, random.next()]));
    case 2: return randomString(random);
    case 3: return randomBuffer(random);
    default: return Array.from({ length: random.below(4) }, () => randomKey(random, depth - 1));
  }
}

module.exports = { Random, randomValue, randomKey };
