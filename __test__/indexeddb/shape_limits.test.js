'use strict';

// Goal: names of objects that are data neither take the place of those that come again and again, nor memory without limit, and no object
// is read the slow way for what was read before it. Method: values through the codec, then a look at the tree of shapes.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { encode } = require('../../values/clone.js');
const { fastDecode, UNKNOWN } = require('../../values/fast_decode.js');
const { currentTree } = require('../../values/shapes.js');

const SHAPES_MAX = 4096;

/** Reads the value back; the fast way must know it. */
function read(value) {
  const { bytes } = encode(value);
  const found = fastDecode(bytes, 0, bytes.length);
  assert.notEqual(found, UNKNOWN);
  return found;
}

const check = (value) => assert.deepEqual(read(value), value);

/** The shape of these names; undefined if there is none. */
function shapeOf(...names) {
  let shape = currentTree().root;
  for (const name of names) {
    const { bytes } = encode(name);
    shape = shape?.children.find((child) => child.isAt(bytes, 1));
  }
  return shape;
}

/** What can be reached: how many shapes, how deep, bytes of their names. */
function reachable(shape = currentTree().root, depth = 0) {
  const sum = { shapes: 0, depth, bytes: 0 };
  for (const child of shape.children) {
    const below = reachable(child, depth + 1);
    sum.shapes += 1 + below.shapes;
    sum.bytes += child.nameBytes.length + below.bytes;
    sum.depth = Math.max(sum.depth, below.depth);
  }
  return sum;
}

function checkLimits() {
  const { shapes, depth, bytes } = reachable();
  assert.ok(shapes <= SHAPES_MAX && depth <= 64 && bytes <= 1 << 18, `${shapes} shapes, ${depth} deep, ${bytes} bytes`);
  assert.equal(currentTree().shapeCount, shapes);
  assert.equal(currentTree().nameBytes, bytes);
}

test('a record that comes after many other first names gets a shape, and keeps it among more of them', () => {
  for (let i = 0; i < 1000; i += 1) check({ [`before ${i}`]: i });
  const record = (/** @type {number} */ id) => ({ id, name: 'n', address: { street: 's', number: id } });
  for (let i = 0; i < 40; i += 1) check(record(i));
  const shape = shapeOf('id', 'name', 'address');
  assert.ok(shape !== undefined);
  for (let i = 0; i < 3000; i += 1) {
    check({ [`between ${i}`]: i, more: { [`inside ${i}`]: [i] } });
    if (i % 20 === 0) check(record(i));
  }
  assert.equal(shapeOf('id', 'name', 'address'), shape);
  checkLimits();
});

test('the names of a wide object beyond the first are not kept, and those behind it in the value are', () => {
  const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`user-${i}`, i]));
  const before = reachable().shapes;
  for (let i = 0; i < 40; i += 1) assert.deepEqual(Object.entries(read([wide, { behind: { it: i } }])[0]), Object.entries(wide));
  assert.ok(reachable().shapes <= before + 70);
  assert.ok(shapeOf('behind') !== undefined);
  checkLimits();
});

test('objects of one name less than a shape has at most, as many, and more', () => {
  for (const length of [63, 64, 65, 200]) {
    const value = Object.fromEntries(Array.from({ length }, (_, i) => [`n${i}`, { at: i }]));
    for (let i = 0; i < 40; i += 1) assert.deepEqual(Object.entries(read(value)), Object.entries(value));
  }
  checkLimits();
});

test('long names and names of other scripts are read the fast way and not kept', () => {
  const long = 'x'.repeat(300);
  const value = { first: 1, [long]: { inner: 2 }, '\u20ac': 3, last: [4] };
  for (let i = 0; i < 40; i += 1) check(value);
  assert.equal(shapeOf('first').children.length, 0);
  const own = Object.defineProperty({ [long]: 1 }, '__proto__', { value: [2], enumerable: true, configurable: true, writable: true });
  const found = read(own);
  assert.equal(Object.getPrototypeOf(found), Object.prototype);
  assert.deepEqual(Object.getOwnPropertyDescriptor(found, '__proto__').value, [2]);
  for (let i = 0; i < 4000; i += 1) check({ [`${i}${'y'.repeat(200)}`]: { [`${i}${'z'.repeat(200)}`]: 1 } });
  checkLimits();
});

test('a full tree makes room for what comes later', () => {
  const value = (/** @type {number} */ i) => ({ [`a${i % 30}`]: 1, [`b${i % 29}`]: 2, [`c${i % 31}`]: 3 });
  for (let i = 0; currentTree().shapeCount < SHAPES_MAX; i += 1) read(value(i));
  checkLimits();
  const full = currentTree();
  const later = { later: 1, than: 2, others: 3 };
  for (let i = 0; i < SHAPES_MAX && currentTree() === full; i += 1) check(later);
  check(later);
  assert.ok(shapeOf('later', 'than', 'others') !== undefined);
  checkLimits();
});

test('setters planted on prototypes are not met by what has no shape', () => {
  const met = [];
  Object.defineProperty(Object.prototype, 'planted', { configurable: true, set: (value) => met.push(value) });
  const value = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [i === 80 ? 'seen' : `m${i}`, i]));
  Object.defineProperty(value, 'planted', { value: 1, enumerable: true, configurable: true, writable: true });
  try {
    assert.equal(Object.getOwnPropertyDescriptor(read(value), 'planted').value, 1);
  } finally {
    delete Object.prototype.planted;
  }
  assert.deepEqual(met, []);
});
