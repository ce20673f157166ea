'use strict';

// Goal: values survive storage as the standard says, whatever user code does meanwhile, and damaged bytes are errors.
// Method: vectors shared with Rust, hostile objects, every truncation, random values compared with what went in.

const test = require('node:test');
const assert = require('node:assert');
const util = require('node:util');
const crypto = require('node:crypto');
const net = require('node:net');
const path = require('node:path');
const perf = require('node:perf_hooks');
const vm = require('node:vm');
const { readFileSync } = require('node:fs');
const { encode, registerPlatformInterface } = require('../../values/clone.js');
const { decode, decodeWithKey } = require('../../values/decode.js');
const { verdict } = require('../support/damaged_values');
const { keyAt } = require('../support/key_path_oracle');
const { Random, randomValue } = require('../support/random_value');
const vectors = require('../vectors/values.json');
const keyPathVectors = require('../vectors/key_paths.json');

/** @typedef {{ description: string, expression: string, hex: string, readOnly?: boolean, needs?: string }} Vector */

/** @param {string} expression */
const evaluate = (expression) => (0, eval)(expression);
/** @param {any} value */
const roundTrip = (value) => decode(encode(value).bytes);
/** @param {Uint8Array} bytes */
const hexOf = (bytes) => Buffer.from(bytes).toString('hex');

/**
 * Bytes of a value; every Blob in it has the contents "abc".
 * @param {unknown} value
 */
function bytesOf(value) {
  const { bytes, blobs } = encode(value);
  for (const { offset } of blobs ?? []) bytes.set([0x61, 0x62, 0x63], offset);
  return bytes;
}

/** @param {() => unknown} f */
function throwsDataCloneError(f) {
  assert.throws(f, (error) => error instanceof DOMException && error.name === 'DataCloneError');
}

/** @param {() => unknown} f */
function throwsCorruption(f) {
  assert.throws(f, { code: 'FLOWDB_CORRUPTION' });
}

/** @param {Vector} vector */
const isSupported = ({ needs, expression }) =>
  (needs === undefined || needs in globalThis) && (!expression.includes('maxByteLength') || 'resizable' in ArrayBuffer.prototype);

/** What is read is not, or not in the eyes of Node 20, equal to what was written. */
const incomparable = new Set(['hole left by a getter', 'Node Buffer', 'invalid Date']);

test('vectors: bytes are written and read as the format says', async (t) => {
  for (const vector of /** @type {Vector[]} */ (vectors).filter(isSupported)) {
    await t.test(vector.description, () => {
      const bytes = Buffer.from(vector.hex, 'hex');
      if (!vector.readOnly) assert.strictEqual(hexOf(bytesOf(evaluate(vector.expression))), vector.hex);
      const value = decode(bytes);
      if (!incomparable.has(vector.description)) {
        assert.ok(util.isDeepStrictEqual(value, evaluate(vector.expression)), util.inspect(value));
      }
      if (vector.description !== 'hole left by a getter' && !vector.readOnly) assert.strictEqual(hexOf(bytesOf(value)), vector.hex);
    });
  }
});

test('vectors: keys are where key paths lead', () => {
  for (const { expression, keyPath, multiEntry, value, result } of keyPathVectors) {
    const bytes = bytesOf(evaluate(expression));
    assert.strictEqual(hexOf(bytes), value, expression);
    assert.deepStrictEqual(keyAt(bytes, keyPath, multiEntry ?? false), result, `${expression} ${keyPath}`);
  }
});

test('every truncation of a value is an error', () => {
  for (const { hex } of /** @type {Vector[]} */ (vectors).filter(isSupported)) {
    const bytes = Buffer.from(hex, 'hex');
    for (let end = 0; end < bytes.length; end++) throwsCorruption(() => decode(bytes, 0, end));
    throwsCorruption(() => decode(Buffer.concat([bytes, Buffer.of(1)])));
  }
});

test('damaged bytes are values or errors with a code, soon', () => {
  const random = new Random(20);
  const sources = /** @type {Vector[]} */ (vectors).filter(isSupported).map(({ hex }) => Buffer.from(hex, 'hex'));
  for (let i = 0; i < 30_000; i++) {
    const bytes = Buffer.from(random.pick(sources));
    for (let flips = 1 + random.below(3); flips > 0; flips--) bytes[random.below(bytes.length)] = random.next();
    try {
      decode(bytes);
    } catch (error) {
      assert.strictEqual(/** @type {any} */ (error).code, 'FLOWDB_CORRUPTION', `${hexOf(bytes)}: ${error}`);
    }
  }
});

test('hostile lengths are not believed', () => {
  for (const hex of ['0114ffffffffffffff0f', '010affffffff0f', '010bffffffffffff0f', '0119ffffffff0f', '011a00ffffffffffffff0f', '0108ffffff7f', '0116ffffffff1f7f', '011c02ff7f']) {
    throwsCorruption(() => decode(Buffer.from(hex, 'hex')));
  }
  const before = process.memoryUsage().rss;
  assert.strictEqual(decode(Buffer.from('01168080800f7f', 'hex')).length, 31457280);
  assert.ok(process.memoryUsage().rss - before < 100e6);
});

test('random values survive', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const value = randomValue(new Random(seed), 60);
    const { bytes } = encode(value);
    const copy = decode(bytes);
    assert.ok(util.isDeepStrictEqual(copy, value), `seed ${seed}: ${util.inspect(value)} became ${util.inspect(copy)}`);
    assert.strictEqual(hexOf(encode(copy).bytes), hexOf(bytes), `seed ${seed}`);
  }
});

test('a value can lie anywhere in the bytes', () => {
  const { bytes } = encode({ a: [1, 2.5, 'x'.repeat(99)] });
  const padded = Buffer.concat([Buffer.alloc(5), bytes, Buffer.alloc(3)]).subarray(2);
  assert.deepStrictEqual(decode(padded, 3, 3 + bytes.length), { a: [1, 2.5, 'x'.repeat(99)] });
});

test('what is not serializable is refused', () => {
  class Facade {}
  registerPlatformInterface(Facade);
  /** @type {any[]} */
  const refused = [
    () => 1, Symbol('s'), Object(Symbol('s')), new WeakMap(), new WeakSet(), new WeakRef({}), new FinalizationRegistry(() => 0), Promise.resolve(),
    new Proxy({}, {}), new Proxy([], {}), new SharedArrayBuffer(1), new Uint8Array(new SharedArrayBuffer(1)), new Event('x'), new EventTarget(),
    new (class extends EventTarget {})(), new MessageChannel(), new AbortController(), new Headers(), new URLSearchParams(), globalThis,
    new Intl.NumberFormat(), [][Symbol.iterator](), new Map().entries(), ''[Symbol.iterator](), (function* () { yield 1; })(), new Facade(),
    new WebAssembly.Memory({ initial: 0 }), (function () { return arguments; })(),
  ];
  for (const value of refused) {
    throwsDataCloneError(() => encode(value));
    throwsDataCloneError(() => encode([{ a: value }]));
  }
});

/** ArrayBuffer, with the second parameter that older declarations lack. @type {any} */
const ResizableArrayBuffer = ArrayBuffer;

test('buffers that are gone are refused', () => {
  const buffer = new ArrayBuffer(8);
  const view = new Uint8Array(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  throwsDataCloneError(() => encode(buffer));
  throwsDataCloneError(() => encode(view));
  throwsDataCloneError(() => encode(new DataView(new ArrayBuffer(4)).buffer && view));
  if (!('resize' in ArrayBuffer.prototype)) return;
  const resizable = new ResizableArrayBuffer(8, { maxByteLength: 8 });
  const beyond = [new Uint8Array(resizable, 4, 4), new DataView(resizable, 4, 4)];
  resizable.resize(6);
  for (const each of beyond) throwsDataCloneError(() => encode(each));
});

test('the length of a view is tracked if it was', () => {
  if (!('resize' in ArrayBuffer.prototype)) return;
  for (const [length, max] of [[4, 8], [8, 8], [0, 8], [6, 9]]) {
    const buffer = new ResizableArrayBuffer(length, { maxByteLength: max });
    new Uint8Array(buffer).fill(7);
    const [tracking, fixed, source] = roundTrip([new Uint16Array(buffer), new Uint16Array(buffer, 0, length >> 1), buffer]);
    assert.ok(util.isDeepStrictEqual(new Uint8Array(source), new Uint8Array(length).fill(7)));
    assert.strictEqual(buffer.byteLength, length);
    source.resize(max - max % 2);
    assert.strictEqual(tracking.length, max >> 1);
    assert.strictEqual(fixed.length, length >> 1);
  }
});

test('a buffer that a getter resizes in the middle: what was written counts, and a view beyond it is refused', () => {
  if (!('resize' in ArrayBuffer.prototype)) return;
  const resized = (length, make) => {
    const buffer = new ResizableArrayBuffer(8, { maxByteLength: 16 });
    return { buffer, get size() { buffer.resize(length); return length; }, get view() { return make(buffer); } };
  };
  for (const make of [(b) => new Uint8Array(b), (b) => new Uint16Array(b, 6, 2), (b) => new DataView(b, 12), (b) => new Uint8Array(b, 16, 0)]) {
    throwsDataCloneError(() => encode(resized(16, make)));
    throwsDataCloneError(() => encode([new Uint8Array(new ResizableArrayBuffer(1, { maxByteLength: 2 })), resized(16, make)]));
  }
  assert.strictEqual(roundTrip(resized(16, (b) => new Uint8Array(b, 2, 6))).view.length, 6);
  const smaller = roundTrip(resized(4, (b) => new Uint8Array(b, 0, 4)));
  assert.deepStrictEqual([smaller.buffer.byteLength, smaller.view.length, smaller.view.buffer], [8, 4, smaller.buffer]);
});

test('ordinary objects are plain, whatever their class', () => {
  class Point {
    x = 1;
    #y = 2;
    get y() { return this.#y; }
    get [Symbol.toStringTag]() { return 'Map'; }
  }
  assert.deepStrictEqual(roundTrip(new Point()), { x: 1 });
  assert.deepStrictEqual(roundTrip(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  assert.deepStrictEqual(roundTrip(Object.create(Error.prototype, { a: { value: 1, enumerable: true } })), { a: 1 });
  assert.deepStrictEqual(roundTrip(Object.create({ inherited: 1 }, { hidden: { value: 1 } })), {});
  assert.deepStrictEqual(roundTrip({ [Symbol('s')]: 1, a: 2 }), { a: 2 });
  assert.deepStrictEqual(roundTrip(Math), {});
});

test('slots count, prototypes do not', () => {
  const foreign = vm.runInNewContext('[new Map([[1, new Date(5)]]), /x/g, new Error("m"), new Uint8Array(2), { a: [1] }, Object(1)]');
  const copy = roundTrip(foreign);
  assert.ok(copy instanceof Array && copy[0] instanceof Map && copy[0].get(1) instanceof Date && copy[1] instanceof RegExp);
  assert.ok(copy[2] instanceof Error && copy[3] instanceof Uint8Array && copy[5] instanceof Number);
  assert.deepStrictEqual(copy[4], { a: [1] });
  for (const make of [() => new Map([[1, 2]]), () => new Date(3), () => new Set([1]), () => /a/g, () => new ArrayBuffer(2)]) {
    assert.ok(util.isDeepStrictEqual(roundTrip(Object.setPrototypeOf(make(), null)), make()));
    assert.ok(util.isDeepStrictEqual(roundTrip(Object.setPrototypeOf(make(), Object.prototype)), make()));
  }
  const regexp = Object.defineProperty(/a/gi, 'flags', { value: 'y' });
  assert.strictEqual(roundTrip(regexp).flags, 'gi');
});

test('objects are not asked for slots because of own properties with the names of members', () => {
  /** @type {[any, string][]} */
  const members = [[Blob.prototype, 'size'], [DOMException.prototype, 'code'], [WeakRef.prototype, 'deref'], [FinalizationRegistry.prototype, 'unregister']];
  const originals = members.map(([prototype, name]) => /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(prototype, name)));
  /** @type {string[]} */
  const asked = [];
  const loaded = Object.keys(require.cache).filter((file) => /[\\/](common|values)[\\/]/.test(file)).map((file) => /** @type {const} */ ([file, require.cache[file]]));
  for (const [file] of loaded) delete require.cache[file];
  for (const [i, [prototype, name]] of members.entries()) {
    const method = originals[i].get ?? originals[i].value;
    const counting = function counting(...rest) { asked.push(name); return method.apply(this, rest); };
    Object.defineProperty(prototype, name, { ...originals[i], ...(originals[i].get ? { get: counting } : { value: counting }) });
  }
  try {
    // What is asked for slots is captured when it is loaded.
    const again = require('../../values/clone.js');
    class Looks { size = 1; code = 2; deref = 3; unregister = 4; }
    assert.deepStrictEqual(decode(again.encode(new Looks()).bytes), { size: 1, code: 2, deref: 3, unregister: 4 });
    assert.deepStrictEqual(asked, []);
    again.encode(new (class { a = 1; get size() { return 1; } get code() { return 2; } deref() {} unregister() {} })());
    assert.deepStrictEqual([...asked].sort(), ['code', 'deref', 'size', 'unregister']);
  } finally {
    for (const [i, [prototype, name]] of members.entries()) Object.defineProperty(prototype, name, originals[i]);
    for (const [file, module] of loaded) require.cache[file] = module;
  }
});

test('objects of Node with native slots are refused, user classes of the same names are not', () => {
  const key = crypto.createSecretKey(Buffer.alloc(8));
  const { publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const refused = [
    key, publicKey, new net.BlockList(), new net.SocketAddress(), perf.createHistogram(), perf.monitorEventLoopDelay(), crypto.createHash('sha256'),
    crypto.createHmac('sha256', key), crypto.createECDH('prime256v1'), new vm.Script('1'), new (class Own extends net.BlockList {})(),
  ];
  for (const value of refused) assert.throws(() => encode({ part: [value] }), { name: 'DataCloneError' }, util.inspect(value));
  class Histogram { a = 1; }
  class KeyObject { b = 2; }
  assert.deepStrictEqual(roundTrip([new Histogram(), new KeyObject()]), [{ a: 1 }, { b: 2 }]);
});

test('a Node Buffer brings its own bytes only', () => {
  const { bytes } = encode(Buffer.from('abc'));
  assert.strictEqual(bytes.length, 7);
  const copy = roundTrip(Buffer.from('abc'));
  assert.strictEqual(copy.constructor, Uint8Array);
  assert.strictEqual(copy.buffer.byteLength, 3);
  const buffer = Buffer.from('abc');
  const [a, b, c] = roundTrip([buffer, buffer, {}, buffer]);
  assert.strictEqual(a, b);
  assert.deepStrictEqual(c, {});
});

test('errors keep kind, own message, stack and cause', () => {
  class Special extends RangeError {}
  const error = new Special('m', { cause: new TypeError('inner') });
  const copy = roundTrip(error);
  assert.strictEqual(Object.getPrototypeOf(copy), RangeError.prototype);
  assert.strictEqual(copy.message, 'm');
  assert.strictEqual(copy.stack, error.stack);
  assert.ok(copy.cause instanceof TypeError);
  assert.deepStrictEqual(Object.keys(copy), []);
  const named = Object.assign(new Error(), { name: 'URIError', extra: 1 });
  assert.strictEqual(Object.getPrototypeOf(roundTrip(named)), URIError.prototype);
  assert.ok(!('extra' in roundTrip(named)));
  assert.ok(!Object.hasOwn(roundTrip(named), 'message'));
  const lazy = Object.defineProperty(new Error(), 'message', { get() { throw new Error('not to be called'); } });
  assert.strictEqual(roundTrip(lazy).message, '');
  assert.strictEqual(roundTrip(Object.defineProperty(new Error(), 'message', { value: undefined })).message, 'undefined');
  assert.throws(() => encode(Object.defineProperty(new Error(), 'message', { value: Symbol() })), TypeError);
  const exception = roundTrip(new DOMException('m', 'AbortError'));
  assert.ok(exception instanceof DOMException && exception.name === 'AbortError' && exception.code === 20 && exception.message === 'm');
});

test('Blobs and Files', async () => {
  const blob = new Blob(['hello'], { type: 'text/plain' });
  const file = new File(['abc'], 'name \ud800', { type: 'a/b', lastModified: 123 });
  const { bytes, blobs } = encode([blob, file, blob]);
  assert.deepStrictEqual(blobs?.map(({ size }) => size), [5, 3]);
  for (const part of blobs ?? []) bytes.set(new Uint8Array(await part.blob.arrayBuffer()), part.offset);
  const [blobCopy, fileCopy, again] = decode(bytes);
  assert.ok(!(blobCopy instanceof File) && fileCopy instanceof File && again === blobCopy);
  assert.strictEqual(await blobCopy.text(), 'hello');
  assert.strictEqual(blobCopy.type, 'text/plain');
  assert.strictEqual(await fileCopy.text(), 'abc');
  assert.deepStrictEqual([fileCopy.name, fileCopy.type, fileCopy.lastModified], [file.name, 'a/b', 123]);
  assert.strictEqual(encode({}).blobs, null);
});

test('a Blob of another implementation is known by its interface', () => {
  class Blob {
    size = 2;
    type = 'x/y';
    slice() {}
    arrayBuffer() {}
  }
  Object.defineProperty(Blob.prototype, Symbol.toStringTag, { value: 'Blob' });
  const blob = new Blob();
  assert.deepStrictEqual(encode(blob).blobs, [{ offset: 8, blob, size: 2 }]);
});

test('getters run in order, once, and see what they do', () => {
  /** @type {string[]} */
  const order = [];
  const value = {
    get b() { order.push('b'); delete (/** @type {any} */ (value)).c; return 1; },
    get a() { order.push('a'); Object.defineProperty(value, 'late', propertyOf(1)); return 2; },
    c: 3,
    get 5() { order.push('5'); return { get x() { order.push('x'); return 0; } }; },
  };
  assert.deepStrictEqual(roundTrip(value), { 5: { x: 0 }, b: 1, a: 2 });
  assert.deepStrictEqual(order, ['5', 'x', 'b', 'a']);
  const thrown = new Error('mine');
  assert.throws(() => encode({ a: [{ get x() { throw thrown; } }] }), (error) => error === thrown);
  assert.deepStrictEqual(roundTrip({ a: 1 }), { a: 1 });
});

/** @param {unknown} value */
function propertyOf(value) {
  return { value, writable: true, enumerable: true, configurable: true };
}

test('containers that change while they are written', () => {
  /** @type {any[]} */
  const array = [{ get x() { array.length = 1; array.push(9, 9, 9, 9); return 0; } }, 1, 2];
  assert.deepStrictEqual(roundTrip(array), [{ x: 0 }, 9, 9]);
  const map = new Map(/** @type {any[]} */ ([[{ get x() { map.clear(); map.set('new', 1); return 0; } }, 1], ['b', 2]]));
  assert.deepStrictEqual([...roundTrip(map).entries()], [[{ x: 0 }, 1], ['b', 2]]);
  const set = new Set(/** @type {any[]} */ ([{ get x() { set.add('new'); return 0; } }, 'b']));
  assert.deepStrictEqual([...roundTrip(set)], [{ x: 0 }, 'b']);
  const sparse = [{ get x() { sparse[1] = 5; return 0; } }, , 2];
  assert.strictEqual(1 in roundTrip(sparse), false);
});

test('a getter may encode another value', () => {
  /** @type {Uint8Array[]} */
  const inner = [];
  /** @param {number} depth */
  const nested = (depth) => ({
    before: 'x'.repeat(5000), get x() { if (depth > 0) inner.push(encode(nested(depth - 1)).bytes); return depth; }, after: [depth],
  });
  assert.deepStrictEqual(roundTrip(nested(3)), { before: 'x'.repeat(5000), x: 3, after: [3] });
  assert.deepStrictEqual(inner.map((bytes) => decode(bytes).x), [0, 1, 2]);
  assert.deepStrictEqual(roundTrip({ get x() { try { encode(Symbol()); } catch { /* expected */ } return 1; }, y: 2 }), { x: 1, y: 2 });
});

test('planted setters are not met', () => {
  const bytes = [{ planted: 1 }, ['e'], Object.assign([1, , 2], { planted: 3 }), new Error('m')].map((value) => encode(value).bytes);
  /** @param {any} prototype @param {string} key */
  const plant = (prototype, key) => Object.defineProperty(prototype, key, { set() { throw new Error('setter'); }, get() { return 'got'; }, configurable: true });
  plant(Object.prototype, 'planted');
  plant(Array.prototype, '0');
  plant(Object.prototype, '2');
  plant(Object.prototype, 'cause');
  let copies;
  try {
    copies = bytes.map((each) => decode(each));
  } finally {
    for (const [prototype, key] of /** @type {[any, string][]} */ ([[Object.prototype, 'planted'], [Array.prototype, '0'], [Object.prototype, '2'], [Object.prototype, 'cause']])) delete prototype[key];
  }
  assert.ok(util.isDeepStrictEqual(copies.slice(0, 3), [{ planted: 1 }, ['e'], Object.assign([1, , 2], { planted: 3 })]));
});

test('__proto__ is a name like any other', () => {
  const copy = roundTrip(JSON.parse('{"__proto__":{"polluted":1},"constructor":2}'));
  assert.strictEqual(Object.getPrototypeOf(copy), Object.prototype);
  assert.strictEqual(copy.polluted, undefined);
  assert.deepStrictEqual(Object.keys(copy), ['__proto__', 'constructor']);
});

test('identity and cycles are kept', () => {
  /** @type {any} */
  const value = { list: [], map: new Map() };
  value.self = value;
  for (let i = 0; i < 50; i++) value.list.push({ i, value });
  value.again = value.list.slice().reverse();
  value.map.set(value.list[3], value.map);
  const copy = roundTrip(value);
  assert.strictEqual(copy.self, copy);
  assert.ok(copy.list.every((/** @type {any} */ each, /** @type {number} */ i) => each.value === copy && copy.again[49 - i] === each && each.i === i));
  assert.strictEqual(copy.map.get(copy.list[3]), copy.map);
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const views = roundTrip([bytes, bytes.subarray(1), bytes.buffer, new DataView(bytes.buffer)]);
  assert.ok(views.every((/** @type {any} */ each) => (each.buffer ?? each) === views[2]));
  assert.strictEqual(views[1][0], 2);
});

test('nesting: ten thousand levels, and no more', () => {
  /** @type {((inner: any) => any)[]} */
  const wraps = [(inner) => [inner], (inner) => ({ a: inner }), (inner) => new Map([[inner, 1]]), (inner) => new Set([inner]), (inner) => new Error('', { cause: inner })];
  const errorLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  for (const wrap of wraps) {
    let value = wrap('core');
    for (let depth = 2; depth <= 10_000; depth++) value = wrap(value);
    const { bytes } = encode(value);
    assert.strictEqual(hexOf(encode(decode(bytes)).bytes), hexOf(bytes));
    throwsDataCloneError(() => encode(wrap(value)));
  }
  Error.stackTraceLimit = errorLimit;
  throwsCorruption(() => decode(Buffer.concat([Buffer.of(1), Buffer.alloc(20_002, Buffer.of(0x14, 1)), Buffer.of(2)])));
  assert.deepStrictEqual(roundTrip({ a: 1 }), { a: 1 });
});

test('a generated key is put into its place', () => {
  const { bytes } = encode({ a: 1, o: { p: 1 } });
  assert.deepStrictEqual(decodeWithKey(bytes, 'id', 7), { a: 1, o: { p: 1 }, id: 7 });
  assert.deepStrictEqual(decodeWithKey(bytes, 'o.id', 7), { a: 1, o: { p: 1, id: 7 } });
  assert.deepStrictEqual(decodeWithKey(bytes, 'x.y.id', 7), { a: 1, o: { p: 1 }, x: { y: { id: 7 } } });
  const proto = decodeWithKey(bytes, '__proto__.id', 7);
  assert.deepStrictEqual(Object.getOwnPropertyDescriptor(proto, '__proto__')?.value, { id: 7 });
  assert.deepStrictEqual(Object.keys(decodeWithKey(encode([]).bytes, 'toString', 7)), ['toString']);
  throwsCorruption(() => decodeWithKey(bytes, 'a.id', 7));
});

test('damaged bytes are judged as Rust judges them', () => {
  const lines = readFileSync(path.join(__dirname, '..', 'vectors', 'damaged_values.txt'), 'utf8').trim().split('\n');
  assert.ok(lines.length > 1000);
  for (const line of lines) assert.strictEqual(verdict(Buffer.from(line.slice(2), 'hex')), line[0], line);
});
