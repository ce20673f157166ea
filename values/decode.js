'use strict';

// The value format (docs/format.md section 8) into a value of this realm.
// https://html.spec.whatwg.org/multipage/structured-data.html#structureddeserialize
// The walk is iterative, and nothing in it runs user code: no setter that someone planted on a prototype is met.

const buffer = require('node:buffer');
const { ByteReader, corruption } = require('./byte_reader.js');
const { exception } = require('../common/exceptions.js');
const { TAG, DEPTH_MAX, VIEW_NAMES, VIEW_ELEMENT_SIZES, ERROR_KIND_DOM_EXCEPTION, ERROR_FLAG } = require('./value_tags.js');
const { append, defineOwn, setProperty, uncurry } = require('../common/intrinsics.js');
const { arrayBuffer, isDetached } = require('./slots.js');
const { fastDecode, UNKNOWN } = require('./fast_decode.js');

const arrayPrototype = Array.prototype;
/** @type {(object: object, key: PropertyKey, descriptor: any) => void} */
const defineProperty = Object.defineProperty;
const mapSet = uncurry(Map.prototype.set);
const setAdd = uncurry(Set.prototype.add);
const viewConstructors = VIEW_NAMES.map((name) => /** @type {any} */ (globalThis)[name]);
const errorConstructors = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
/** @type {any} */
const BlobConstructor = globalThis.Blob ?? buffer.Blob;
/** @type {any} */
const FileConstructor = globalThis.File ?? /** @type {any} */ (buffer).File;

/** ArrayBuffer, with the second parameter that older declarations lack. @type {any} */
const ResizableArrayBuffer = ArrayBuffer;

/** Lengths up to this are set directly; beyond, an array is made sparse first, or the engine would allocate all of it. */
const SPARSE_LENGTH_DIRECT_MAX = 1024;
const ARRAY_LENGTH_MAX = 2 ** 32 - 1;

const PROPERTIES = 0;
const ELEMENTS = 1;
const ENTRIES = 2;
const MEMBERS = 3;
const CAUSE = 4;

/** A container whose parts are being read. `hasMore`: properties follow the elements; a Map's value or the cause is to come. */
class Frame {
  mode = PROPERTIES;
  index = 0;
  limit = 0;
  hasMore = false;
  /** @type {any} */
  target = null;
  /** The frame of the container around it. @type {Frame | null} */
  outer = null;
}

/**
 * @param {object} error
 * @param {PropertyKey} key
 * @param {unknown} value
 */
function defineHidden(error, key, value) {
  defineProperty(error, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
}

/** @param {Uint8Array} magnitude least significant byte first */
function bigintOf(magnitude) {
  if (magnitude.length === 0) return 0n;
  if (magnitude[magnitude.length - 1] === 0) throw corruption('a bigint with leading zeros');
  return BigInt(`0x${Buffer.from(magnitude).reverse().toString('hex')}`);
}

/** @param {number} length */
function sparseArray(length) {
  if (length > ARRAY_LENGTH_MAX) throw corruption('an array is too long');
  /** @type {unknown[]} */
  const array = [];
  if (length > SPARSE_LENGTH_DIRECT_MAX) {
    defineOwn(array, ARRAY_LENGTH_MAX - 1, undefined);
    delete array[ARRAY_LENGTH_MAX - 1];
  }
  array.length = length;
  return array;
}

/** Reads one value. */
class Decoder {
  #in;
  /** @type {Frame | null} */
  #frame = null;
  #depth = 0;
  /** Objects by number; `undefined` while a view waits for its buffer. @type {(object | undefined)[]} */
  #objects = [];

  /**
   * @param {Uint8Array} bytes
   * @param {number} offset
   * @param {number} end
   */
  constructor(bytes, offset, end) {
    this.#in = new ByteReader(bytes, offset, end);
  }

  /** @returns {any} */
  decode() {
    const root = this.#value();
    while (this.#frame !== null) this.#step(this.#frame);
    if (this.#in.remaining !== 0) throw corruption('bytes follow its end');
    return root;
  }

  /**
   * Reads parts until one of them is a container of its own, or the frame is done.
   * @param {Frame} frame
   */
  #step(frame) {
    switch (frame.mode) {
      case PROPERTIES: return this.#stepProperties(frame.target);
      case ELEMENTS: return this.#stepElements(frame);
      case ENTRIES: return this.#stepEntries(frame);
      case MEMBERS: return this.#stepMembers(frame.target);
      default: return this.#stepCause(frame);
    }
  }

  /** @param {any} target */
  #stepProperties(target) {
    const depth = this.#depth;
    const isArray = Array.isArray(target);
    while (!this.#atEnd()) {
      const key = this.#in.key();
      const value = this.#value();
      if (isArray) defineElementOrProperty(target, key, value);
      else setProperty(target, key, value);
      if (this.#depth !== depth) return;
    }
  }

  /** @param {Frame} frame */
  #stepElements(frame) {
    const depth = this.#depth;
    const { target, limit } = frame;
    while (frame.index < limit) {
      const index = frame.index++;
      if (this.#in.peek() === TAG.HOLE) {
        this.#in.u8();
        continue;
      }
      const value = this.#value();
      if (index in arrayPrototype) defineOwn(target, index, value);
      else target[index] = value;
      if (this.#depth !== depth) return;
    }
    if (frame.hasMore) frame.mode = PROPERTIES;
    else this.#pop();
  }

  /**
   * A value that is a container comes last in its turn: a key that is one must be left to its own frame first.
   * @param {Frame} frame
   */
  #stepEntries(frame) {
    const depth = this.#depth;
    for (;;) {
      if (!frame.hasMore) {
        if (this.#atEnd()) return;
        frame.target.key = this.#value();
        frame.hasMore = true;
        if (this.#depth !== depth) return;
      }
      frame.hasMore = false;
      mapSet(frame.target.map, frame.target.key, this.#value());
      if (this.#depth !== depth) return;
    }
  }

  /** @param {any} target */
  #stepMembers(target) {
    const depth = this.#depth;
    while (!this.#atEnd()) {
      setAdd(target, this.#value());
      if (this.#depth !== depth) return;
    }
  }

  /** @param {Frame} frame */
  #stepCause(frame) {
    if (frame.hasMore) {
      frame.hasMore = false;
      defineHidden(frame.target, 'cause', this.#value());
    } else {
      this.#pop();
    }
  }

  /** True at the end mark, which is then read and its frame done. */
  #atEnd() {
    if (this.#in.peek() !== TAG.END) return false;
    this.#in.u8();
    this.#pop();
    return true;
  }

  /**
   * @param {number} mode
   * @param {any} target
   * @param {number} limit
   * @param {boolean} hasMore
   */
  #push(mode, target, limit = 0, hasMore = false) {
    if (this.#depth++ === DEPTH_MAX) throw corruption('it is nested too deep');
    const frame = new Frame();
    frame.mode = mode;
    frame.target = target;
    frame.limit = limit;
    frame.hasMore = hasMore;
    frame.outer = this.#frame;
    this.#frame = frame;
  }

  #pop() {
    this.#depth--;
    this.#frame = this.#frame?.outer ?? null;
  }

  /**
   * Gives the object the next number.
   * @template T
   * @param {T} object
   * @returns {T}
   */
  #begin(object) {
    append(this.#objects, /** @type {any} */ (object));
    return object;
  }

  /**
   * Reads a value; of a container only the head, the rest is for its frame.
   * @returns {any}
   */
  #value() {
    const tag = this.#in.u8();
    switch (tag) {
      case TAG.STRING_LATIN1:
      case TAG.STRING_UTF16: return this.#in.stringOf(tag);
      case TAG.INTEGER: return this.#in.integer();
      case TAG.OBJECT: return this.#object();
      case TAG.ARRAY: return this.#array(false);
      case TAG.ARRAY_WITH_PROPERTIES: return this.#array(true);
      case TAG.TRUE: return true;
      case TAG.FALSE: return false;
      case TAG.NULL: return null;
      case TAG.UNDEFINED: return undefined;
      case TAG.NUMBER: return this.#in.f64();
      case TAG.DATE: return this.#begin(new Date(this.#in.f64()));
      default: return this.#rare(tag);
    }
  }

  /** @param {number} tag */
  #rare(tag) {
    switch (tag) {
      case TAG.BIGINT:
      case TAG.BIGINT_NEGATIVE: return this.#bigint(tag);
      case TAG.REGEXP: return this.#regexp();
      case TAG.BOOLEAN_OBJECT_FALSE: return this.#begin(Object(false));
      case TAG.BOOLEAN_OBJECT_TRUE: return this.#begin(Object(true));
      case TAG.NUMBER_OBJECT: return this.#begin(Object(this.#in.f64()));
      case TAG.STRING_OBJECT: return this.#begin(Object(this.#in.string()));
      case TAG.BIGINT_OBJECT: return this.#begin(Object(this.#bigint(this.#in.u8())));
      case TAG.ARRAY_SPARSE: return this.#sparse();
      case TAG.MAP: return this.#map();
      case TAG.SET: return this.#set();
      case TAG.BUFFER: return this.#begin(this.#buffer());
      case TAG.BUFFER_RESIZABLE: return this.#begin(this.#resizableBuffer());
      case TAG.VIEW: return this.#view();
      case TAG.VIEW_OF_OWN_BUFFER: return this.#viewOfOwnBuffer();
      case TAG.ERROR: return this.#error();
      case TAG.BLOB: return this.#blob();
      case TAG.FILE: return this.#file();
      case TAG.REFERENCE: return this.#reference();
      default: throw corruption(`unknown tag ${tag}`);
    }
  }

  #object() {
    const object = this.#begin({});
    this.#push(PROPERTIES, object);
    return object;
  }

  /** @param {boolean} hasMore */
  #array(hasMore) {
    const count = this.#in.count(1);
    const array = this.#begin(new Array(count));
    this.#push(ELEMENTS, array, count, hasMore);
    return array;
  }

  #sparse() {
    const array = this.#begin(sparseArray(this.#in.varint()));
    this.#push(PROPERTIES, array);
    return array;
  }

  #map() {
    const map = this.#begin(new Map());
    this.#push(ENTRIES, { map, key: undefined });
    return map;
  }

  #set() {
    const set = this.#begin(new Set());
    this.#push(MEMBERS, set);
    return set;
  }

  /** @param {number} tag */
  #bigint(tag) {
    if (tag !== TAG.BIGINT && tag !== TAG.BIGINT_NEGATIVE) throw corruption(`tag ${tag} where a bigint should be`);
    const magnitude = bigintOf(this.#in.bytes(this.#in.count(1)));
    return tag === TAG.BIGINT ? magnitude : -magnitude;
  }

  #regexp() {
    const source = this.#in.string();
    const flags = this.#in.string();
    try {
      return this.#begin(new RegExp(source, flags));
    } catch {
      throw corruption('a regular expression that this runtime does not understand');
    }
  }

  /** @returns {ArrayBuffer} */
  #buffer() {
    return copyOf(this.#in.bytes(this.#in.count(1)));
  }

  /** @returns {ArrayBuffer} */
  #resizableBuffer() {
    const length = this.#in.varint();
    const maxByteLength = this.#in.varint();
    if (length > this.#in.remaining || length > maxByteLength) throw corruption('a buffer exceeds the bytes left');
    const source = this.#in.bytes(length);
    if (arrayBuffer.resizable === undefined) return copyOf(source);
    let copy;
    try {
      copy = new ResizableArrayBuffer(length, { maxByteLength });
    } catch {
      throw corruption('a resizable buffer that this runtime cannot allocate');
    }
    new Uint8Array(copy).set(source);
    return copy;
  }

  #viewKind() {
    const kind = this.#in.u8();
    if (viewConstructors[kind] === undefined) throw corruption(`view kind ${kind}, which this runtime does not have`);
    return kind;
  }

  #view() {
    const number = this.#objects.length;
    append(this.#objects, undefined);
    const kind = this.#viewKind();
    const offset = this.#in.varint();
    const size = this.#in.varint();
    const tracks = this.#in.u8();
    const source = this.#viewedBuffer();
    const view = makeView(kind, source, offset, size, tracks);
    this.#objects[number] = view;
    return view;
  }

  /** @returns {ArrayBuffer} */
  #viewedBuffer() {
    const tag = this.#in.u8();
    if (tag === TAG.BUFFER) return this.#begin(this.#buffer());
    if (tag === TAG.BUFFER_RESIZABLE) return this.#begin(this.#resizableBuffer());
    const found = tag === TAG.REFERENCE ? this.#reference() : undefined;
    if (!(found instanceof ArrayBuffer) || isDetached(found)) throw corruption('a view without a buffer');
    return found;
  }

  #viewOfOwnBuffer() {
    const kind = this.#viewKind();
    const source = this.#begin(this.#buffer());
    return this.#begin(makeView(kind, source, 0, source.byteLength, 0));
  }

  #error() {
    const kind = this.#in.u8();
    const flags = this.#in.u8();
    const isDomException = kind === ERROR_KIND_DOM_EXCEPTION;
    if (kind > ERROR_KIND_DOM_EXCEPTION || flags > 15 || isDomException !== ((flags & ERROR_FLAG.NAME) !== 0)) {
      throw corruption('an unknown kind of error');
    }
    const number = this.#objects.length;
    append(this.#objects, undefined);
    const name = isDomException ? this.#in.string() : '';
    const message = flags & ERROR_FLAG.MESSAGE ? this.#in.string() : undefined;
    const error = isDomException ? exception(name, message ?? '') : new errorConstructors[kind]();
    this.#objects[number] = error;
    if (message !== undefined && !isDomException) defineHidden(error, 'message', message);
    if (flags & ERROR_FLAG.STACK) defineHidden(error, 'stack', this.#in.string());
    else delete error.stack;
    if (flags & ERROR_FLAG.CAUSE) this.#push(CAUSE, error, 0, true);
    return error;
  }

  #blob() {
    const type = this.#in.string();
    return this.#begin(new BlobConstructor([this.#in.bytes(this.#in.count(1))], { type }));
  }

  #file() {
    const name = this.#in.string();
    const type = this.#in.string();
    const lastModified = this.#in.f64();
    const contents = this.#in.bytes(this.#in.count(1));
    return this.#begin(new FileConstructor([contents], name, { type, lastModified }));
  }

  #reference() {
    const object = this.#objects[this.#in.varint()];
    if (object === undefined) throw corruption('a reference to nothing');
    return object;
  }
}

/**
 * @param {any} array
 * @param {string} key
 * @param {unknown} value
 */
function defineElementOrProperty(array, key, value) {
  if (key === 'length') throw corruption('an array with a second length');
  const { length } = array;
  defineOwn(array, key, value);
  if (array.length !== length) throw corruption('an element beyond the length of its array');
}

/**
 * @param {Uint8Array} bytes
 * @returns {ArrayBuffer}
 */
function copyOf(bytes) {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
}

/**
 * @param {number} kind
 * @param {ArrayBuffer} source
 * @param {number} offset
 * @param {number} size
 * @param {number} tracks
 * @returns {ArrayBufferView}
 */
function makeView(kind, source, offset, size, tracks) {
  const elementSize = VIEW_ELEMENT_SIZES[kind];
  const isFixed = !(arrayBuffer.resizable?.(source) ?? false);
  if (tracks > 1 || offset % elementSize !== 0 || size % elementSize !== 0 || offset + size > source.byteLength) {
    throw corruption('a view that does not fit its buffer');
  }
  if (tracks === 1 && !isFixed) return new viewConstructors[kind](source, offset);
  return new viewConstructors[kind](source, offset, size / elementSize);
}

/**
 * Reads the value format.
 * @param {Uint8Array} bytes
 * @param {number} [offset]
 * @param {number} [end]
 * @returns {any} a new value; nothing of it shares memory with `bytes`
 * @throws {Error} code FLOWDB_CORRUPTION: the bytes are not a value
 */
function decode(bytes, offset = 0, end = bytes.length) {
  const value = fastDecode(bytes, offset, Math.min(end, bytes.length));
  if (value !== UNKNOWN) return value;
  return new Decoder(bytes, offset, end).decode();
}

/**
 * Reads a value whose key was generated and is stored beside it, and puts the key into its place.
 * https://w3c.github.io/IndexedDB/#inject-a-key-into-a-value-using-a-key-path
 * @param {Uint8Array} bytes
 * @param {string} keyPath
 * @param {unknown} key
 * @param {number} [offset]
 * @param {number} [end]
 */
function decodeWithKey(bytes, keyPath, key, offset = 0, end = bytes.length) {
  const root = decode(bytes, offset, end);
  const identifiers = keyPath.split('.');
  const last = /** @type {string} */ (identifiers.pop());
  /** @type {any} */
  let target = root;
  for (const identifier of identifiers) {
    if (!isObject(target)) break;
    if (!Object.hasOwn(target, identifier)) defineOwn(target, identifier, {});
    target = target[identifier];
  }
  if (!isObject(target)) throw corruption('a generated key has no place in it');
  defineOwn(target, last, key);
  return root;
}

/**
 * @param {unknown} value
 * @returns {boolean}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null;
}

module.exports = { decode, decodeWithKey };
