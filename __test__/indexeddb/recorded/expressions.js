'use strict';

// Random JavaScript expressions for keys, ranges, values and options. A program holds them as text, so that a browser and Node
// evaluate the same.

const SMALL = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const STRINGS = ["''", "'a'", "'b'", "'c'", "'ab'", "'\\0'", "'\\ud800'", "'\\ud83d\\ude00'", "'\\uffff'", "'1'"];
/** Not -0, which comes back as 0: docs/indexeddb.md, deviations. */
const NUMBERS = ['-1', '0.5', '-Infinity', 'Infinity', '2 ** 53', '5e-324', '1e21'];
const DATES = ['new Date(0)', 'new Date(5)', 'new Date(-1)', 'new Date(8.64e15)'];
const BUFFERS = ['new ArrayBuffer(0)', 'new Uint8Array([1, 2]).buffer', 'new Uint8Array([1, 2, 255]).buffer'];
const BINARY = [
  ...BUFFERS, 'new Uint8Array([1, 2, 255]).subarray(1)', 'new DataView(new ArrayBuffer(2))',
  'new Uint16Array([258])', 'new Float64Array(1)',
];
const INVALID_KEYS = [
  'NaN', 'null', 'true', '{}', 'new Date(NaN)', '[1, , 2]', '[undefined]', '[[null]]', '1n', '/a/', 'new Map()',
  '(() => { const a = []; a.push(a); return a; })()', 'Object(1)',
];
/** Neither keys nor values. */
const INVALID = [
  '() => 1', 'Symbol()', "Object.defineProperty([], 0, { enumerable: true, get() { throw new Error('getter'); } })",
  '(() => { const b = new ArrayBuffer(1); structuredClone(b, { transfer: [b] }); return b; })()',
];
/** What is none of the keys on which implementations differ: Chromium takes no resizable buffer for a key. */
const LEAVES = [
  'undefined', 'null', 'true', '{ minus: -0 }', 'NaN', '0.1', '12345678901234567890n', '-1n', '0n', "'text'", "'\\ud800 lone'", "'\\u4e00\\u00e9'",
  'new Date(1)', 'new Date(NaN)', '/a[/]b/gi', '(() => { const r = /x/g; r.lastIndex = 3; return r; })()', 'Object(true)', 'Object(-0)',
  "Object('boxed')", 'Object(5n)', 'new Map([[1, { a: 1 }], [{ b: 2 }, new Set([1, 1, NaN])]])', 'new Set([[], {}])', '[1, , 3]', '[, ]',
  'Object.assign([1, 2], { extra: 3, "-1": 4 })', 'Object.assign([], { length: 5 })', 'new Uint8Array([1, 2, 3])',
  '(() => { const b = new Uint8Array(8).buffer; return [new Int16Array(b, 2, 2), b, new DataView(b, 1)]; })()',
  'new Float32Array([1.5, NaN])', 'new BigInt64Array([-1n])', 'new Uint8ClampedArray([300])', "new TypeError('type')", "new RangeError('')",
  "Object.assign(new Error('named'), { name: 'SyntaxError' })", "new (class Own extends Error {})('own')", "new DOMException('m', 'AbortError')",
  "new Blob(['abc'], { type: 'text/plain' })", "new File(['ab'], 'n.txt', { type: 'a/b', lastModified: 5 })",
  '(() => { const o = { a: 1 }; o.self = o; o.list = [o, o]; return o; })()', '(() => { const s = { x: 1 }; return [s, s]; })()',
  'Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } })', '{ [Symbol()]: 1, b: 2, 10: 3, 9: 4 }',
  'new (class Point { x = 1; #y = 2; get y() { return this.#y; } })()', "JSON.parse('{\"__proto__\":{\"a\":1},\"constructor\":2}')",
  '{ get a() { return 1; } }', "'x'.repeat(300)", '{ resizable: new ArrayBuffer(4, { maxByteLength: 8 }) }',
  'Object.assign(Object.create(null), { z: 1 })',
];
const UNCLONEABLE = [
  '() => 1', 'Symbol()', '{ a: () => 1 }', '[Symbol.iterator]', 'new Proxy({}, {})', 'new WeakMap()', 'Promise.resolve()', 'Object(Symbol())',
  'indexedDB', "{ get a() { throw new RangeError('getter'); } }", 'new WeakRef({})', 'new EventTarget()', 'function* () {}',
];
const KEY_PATHS = ["'id'", "'a'", "'b'", "'c.d'", "'list'", "'v'", "'a.length'", "''", "['a', 'b']", "['id', 'c.d']", "['list']"];
const INVALID_KEY_PATHS = ["'a b'", "'.'", "'a..b'", '[]', "['a', '1x']", "['', 'a b']", '5', 'null', "{ toString() { return 'a'; } }"];
const COUNTS = ['0', '1', '2', '3', '100', '2.9', "'2'", 'undefined'];
const INVALID_COUNTS = ['-1', 'NaN', 'Infinity', '2 ** 32', "'x'", '1n', 'Symbol()', '{ valueOf() { throw new TypeError(); } }'];
const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique'];

class Expressions {
  /** @param {import('../../support/random_value').Random} random */
  constructor(random) {
    this.random = random;
  }

  /** @param {number} count */
  oneIn(count) {
    return this.random.below(count) === 0;
  }

  /** @param {readonly string[]} list */
  pick(list) {
    return this.random.pick(list);
  }

  /** @returns {string} */
  key(depth = 2, binary = BINARY) {
    const kind = this.random.below(20);
    if (kind < 10) return this.pick(SMALL);
    if (kind < 14) return this.pick(STRINGS);
    if (kind < 15) return this.pick(NUMBERS);
    if (kind < 16) return this.pick(DATES);
    if (kind < 17) return this.pick(binary);
    if (kind < 19 && depth > 0) return `[${Array.from({ length: this.random.below(3) }, () => this.key(depth - 1, binary)).join(', ')}]`;
    return this.pick(SMALL);
  }

  /** A key, or in one of many cases something that is none. */
  keyOrNot(binary = BINARY) {
    return this.oneIn(25) ? this.pick(this.oneIn(4) ? INVALID : INVALID_KEYS) : this.key(2, binary);
  }

  /** One within a value. No view: where keys are generated, Chromium puts the key, a buffer, into its place. */
  part() {
    return this.keyOrNot(BUFFERS);
  }

  range() {
    const flag = () => this.pick(['false', 'true']);
    switch (this.random.below(8)) {
      case 0: return `IDBKeyRange.lowerBound(${this.key()}, ${flag()})`;
      case 1: return `IDBKeyRange.upperBound(${this.key()}, ${flag()})`;
      case 2: return `IDBKeyRange.bound(${this.key()}, ${this.key()}, ${flag()}, ${flag()})`;
      case 3: return `IDBKeyRange.bound(${this.pick(['-Infinity', '0', '1', '2'])}, ${this.pick(['6', "'b'", '[[]]'])}, ${flag()}, ${flag()})`;
      case 4: return `IDBKeyRange.only(${this.keyOrNot()})`;
      default: return this.keyOrNot();
    }
  }

  /** A range, or nothing. */
  query() {
    return this.oneIn(3) ? this.pick(['undefined', 'null']) : this.range();
  }

  count() {
    return this.oneIn(12) ? this.pick(INVALID_COUNTS) : this.pick(COUNTS);
  }

  direction() {
    return this.oneIn(30) ? "'sideways'" : `'${this.pick(DIRECTIONS)}'`;
  }

  invalidKey() {
    return this.pick([...INVALID.filter((key) => !key.includes('throw')), ...INVALID_KEYS]);
  }

  /** A value that can be cloned. */
  cloneable() {
    for (;;) {
      const value = this.value();
      if (![...INVALID, ...UNCLONEABLE].some((part) => value.includes(part))) return value;
    }
  }

  /** @returns {string} */
  value() {
    if (this.oneIn(20)) return this.pick(UNCLONEABLE);
    if (this.oneIn(6)) return this.pick(LEAVES);
    const parts = [];
    /** @param {string} name @param {() => string} make */
    const part = (name, make) => { if (!this.oneIn(5)) parts.push(`${name}: ${make()}`); };
    part('id', () => this.part());
    part('a', () => this.part());
    part('b', () => this.key(2, BUFFERS));
    part('c', () => (this.oneIn(6) ? this.part() : `{ d: ${this.part()} }`));
    part('list', () => (this.oneIn(4) ? this.part() : `[${Array.from({ length: this.random.below(5) }, () => this.part()).join(', ')}]`));
    if (this.oneIn(3)) parts.push(`v: ${this.pick(LEAVES)}`);
    return `{ ${parts.join(', ')} }`;
  }

  keyPath() {
    return this.oneIn(15) ? this.pick(INVALID_KEY_PATHS) : this.pick(KEY_PATHS);
  }

  storeOptions() {
    if (this.oneIn(3)) return this.pick(['undefined', '{}', '{ autoIncrement: true }', 'null']);
    const keyPath = this.oneIn(2) ? "'id'" : this.oneIn(4) ? 'null' : this.keyPath();
    return `{ keyPath: ${keyPath}, autoIncrement: ${this.oneIn(3)} }`;
  }

  indexOptions() {
    return this.oneIn(3) ? 'undefined' : `{ unique: ${this.oneIn(4)}, multiEntry: ${this.oneIn(3)} }`;
  }

  /** Options of getAll, getAllKeys and getAllRecords. */
  allOptions() {
    const parts = [];
    if (!this.oneIn(3)) parts.push(`query: ${this.query()}`);
    if (!this.oneIn(3)) parts.push(`count: ${this.count()}`);
    if (!this.oneIn(3)) parts.push(`direction: ${this.direction()}`);
    return `{ ${parts.join(', ')} }`;
  }
}

module.exports = { Expressions };
