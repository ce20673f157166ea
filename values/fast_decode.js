'use strict';

// The value format into a value, for what nearly all records are made of: objects and arrays of primitives, dates, maps, sets and typed
// arrays. What it does not know, and what is damaged, is left to decode.js, which starts anew: reading has no effects.
//
// Objects that have the same names in the same order share a shape: the names are compared as bytes and not made again, and
// the object is made in one step. So is the front of an object whose
// names have no shape of their own; the rest of it is put there one by one.

const { TAG, VERSION, VIEW_NAMES, VIEW_ELEMENT_SIZES } = require('./value_tags.js');
const { defineOwn, setProperty, uncurry } = require('../common/intrinsics.js');
const { NAMES_MAX, currentTree } = require('./shapes.js');
const { SHARED_MAX, sharedString } = require('./shared_strings.js');

/** @typedef {ReturnType<typeof currentTree>['root']} Shape */

const { latin1Slice, ucs2Slice } = /** @type {any} */ (Buffer.prototype);
const arrayPrototype = Array.prototype;
const mapSet = uncurry(Map.prototype.set);
const setAdd = uncurry(Set.prototype.add);
const copyBytes = uncurry(Uint8Array.prototype.slice);
const viewConstructors = VIEW_NAMES.map((name) => /** @type {any} */ (globalThis)[name]);

/** Deeper values are left to the iterative walk: the stack has an end. */
const DEPTH_MAX = 64;

/** Bytes of a name that is looked for among those of other objects. */
const NAME_MAX = 256;

/** What V8 keeps in its heap of a typed array. */
const SMALL_VIEW_MAX = 64;
const DATA_VIEW = 0;
const UINT8 = VIEW_NAMES.indexOf('Uint8Array');
const smallBytes = new Uint8Array(SMALL_VIEW_MAX);
/** Typed arrays over the front of the small bytes, by kind and size. @type {any[][]} */
const smallViews = [];

/** Thrown to give up. */
const UNKNOWN = Object.freeze({});

/** The bytes of a longer value are not held until the next one is read, which may be long after. */
const HELD_BYTES_MAX = 64 * 1024;

const NO_BYTES = new Uint8Array(0);
/** @type {Uint8Array} */
let bytes = NO_BYTES;
let position = 0;
let limit = 0;
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Values of the objects that are being read, those of the outermost first: places for all there can be. @type {any[]} */
const values = Array.from({ length: DEPTH_MAX * NAMES_MAX });
let valueCount = 0;

/**
 * @param {Uint8Array} input
 * @param {number} start
 * @param {number} end at most the length of the input
 * @returns {any} UNKNOWN: to be read by the general way
 */
function fastDecode(input, start, end) {
  if (!isLittleEndian || input[start] !== VERSION) return UNKNOWN;
  bytes = input;
  position = start + 1;
  limit = end;
  valueCount = 0;
  try {
    const value = read(0);
    return position === end ? value : UNKNOWN;
  } catch (error) {
    if (error === UNKNOWN) return UNKNOWN;
    throw error;
  } finally {
    if (end - start > HELD_BYTES_MAX) bytes = NO_BYTES;
  }
}

/**
 * @param {number} depth
 * @returns {any}
 */
function read(depth) {
  const tag = bytes[position++];
  switch (tag) {
    case TAG.STRING_LATIN1: return latin1(count());
    case TAG.INTEGER: return integer();
    case TAG.OBJECT: return object(depth);
    case TAG.ARRAY: return array(depth);
    case TAG.TRUE: return true;
    case TAG.FALSE: return false;
    case TAG.NULL: return null;
    case TAG.UNDEFINED: return undefined;
    case TAG.NUMBER: return number();
    case TAG.STRING_UTF16: return utf16(count());
    case TAG.DATE: return new Date(number());
    case TAG.MAP: return map(depth);
    case TAG.SET: return set(depth);
    case TAG.VIEW_OF_OWN_BUFFER: return view();
    default: throw UNKNOWN;
  }
}

/** A number that is not large. */
function count() {
  const first = bytes[position++];
  if (first < 0x80) return first;
  const second = bytes[position++];
  if (second < 0x80) return (first & 0x7f) | (second << 7);
  const third = bytes[position++];
  if (third < 0x80) return (first & 0x7f) | ((second & 0x7f) << 7) | (third << 14);
  throw UNKNOWN;
}

function integer() {
  const first = bytes[position++];
  let magnitude = (first & 0x7f) >> 1;
  if (first >= 0x80) {
    // Beyond 2^53 the general way says what is wrong.
    for (let scale = 64; ; scale *= 128) {
      const byte = bytes[position++];
      magnitude += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      if (!(scale < 2 ** 45)) throw UNKNOWN;
    }
    if (!(magnitude < Number.MAX_SAFE_INTEGER)) throw UNKNOWN;
  }
  return first & 1 ? -magnitude - 1 : magnitude;
}

function number() {
  for (let i = 0; i < 8; i += 1) floatBytes[i] = bytes[position + i];
  position += 8;
  return float[0];
}

/** @param {number} length */
function latin1(length) {
  const start = position;
  position += length;
  if (!(position <= limit)) throw UNKNOWN;
  return length <= SHARED_MAX ? sharedString(bytes, start, length) : latin1Slice.call(bytes, start, position);
}

/** @param {number} length */
function utf16(length) {
  const start = position;
  position += length * 2;
  if (!(position <= limit)) throw UNKNOWN;
  return ucs2Slice.call(bytes, start, position);
}

/** @param {number} depth */
function object(depth) {
  if (depth === DEPTH_MAX) throw UNKNOWN;
  const first = valueCount;
  let shape = currentTree().root;
  while (bytes[position] !== TAG.END) {
    const next = shape.nextAt(bytes, position) ?? newShape(shape);
    if (next === null) break;
    position += next.nameBytes.length;
    const place = valueCount;
    valueCount += 1;
    values[place] = undefined;
    values[place] = read(depth + 1);
    shape = next;
  }
  const made = shape.make(values, first);
  // Nothing is kept alive.
  while (valueCount > first) {
    valueCount -= 1;
    values[valueCount] = undefined;
  }
  if (bytes[position] !== TAG.END) readRest(made, depth);
  position += 1;
  return made;
}

/**
 * @param {object} made
 * @param {number} depth
 */
function readRest(made, depth) {
  while (bytes[position] !== TAG.END) setProperty(made, name(), read(depth + 1));
}

/**
 * Null: no shape has this name, and the rest of the object is to be read without one.
 * @param {Shape} shape
 */
function newShape(shape) {
  const start = position;
  const text = name();
  const end = position;
  position = start;
  if (bytes[start] !== TAG.STRING_LATIN1 || end - start > NAME_MAX || !shape.admits(end - start)) return null;
  return shape.add(text, copyBytes(bytes, start, end));
}

function name() {
  const tag = bytes[position++];
  if (tag === TAG.STRING_LATIN1) return latin1(count());
  if (tag === TAG.STRING_UTF16) return utf16(count());
  throw UNKNOWN;
}

/** @param {number} depth */
function array(depth) {
  const length = count();
  if (depth === DEPTH_MAX || length > limit - position) throw UNKNOWN;
  const made = new Array(length);
  for (let index = 0; index < length; index += 1) {
    const value = read(depth + 1);
    if (index in arrayPrototype) defineOwn(made, index, value);
    else made[index] = value;
  }
  return made;
}

/** @param {number} depth */
function map(depth) {
  if (depth === DEPTH_MAX) throw UNKNOWN;
  const made = new Map();
  while (bytes[position] !== TAG.END) {
    const key = read(depth + 1);
    mapSet(made, key, read(depth + 1));
  }
  position += 1;
  return made;
}

/** @param {number} depth */
function set(depth) {
  if (depth === DEPTH_MAX) throw UNKNOWN;
  const made = new Set();
  while (bytes[position] !== TAG.END) setAdd(made, read(depth + 1));
  position += 1;
  return made;
}

function view() {
  const kind = bytes[position++];
  const size = count();
  const start = position;
  position += size;
  const constructor = viewConstructors[kind];
  if (constructor === undefined || !(position <= limit) || size % VIEW_ELEMENT_SIZES[kind] !== 0) throw UNKNOWN;
  if (size > SMALL_VIEW_MAX || kind === DATA_VIEW) return new constructor(copyBytes(bytes, start, position).buffer);
  return smallView(constructor, kind, start, size);
}

/**
 * A small typed array that is made from another has its memory in the heap: no buffer is allocated until a script asks for it.
 * @param {any} constructor
 * @param {number} kind
 * @param {number} start
 * @param {number} size
 */
function smallView(constructor, kind, start, size) {
  if (kind === UINT8) {
    const made = new Uint8Array(size);
    for (let i = 0; i < size; i += 1) made[i] = bytes[start + i];
    return made;
  }
  for (let i = 0; i < size; i += 1) smallBytes[i] = bytes[start + i];
  const known = (smallViews[kind] ??= [])[size];
  return new constructor(known ?? (smallViews[kind][size] = new constructor(smallBytes.buffer, 0, size / VIEW_ELEMENT_SIZES[kind])));
}

module.exports = { fastDecode, UNKNOWN };
