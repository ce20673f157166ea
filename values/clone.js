'use strict';

// A value into the value format (docs/format.md section 8).
// https://html.spec.whatwg.org/multipage/structured-data.html#structuredserializeforstorage
// The walk is iterative: 10 000 levels of nesting must not depend on the size of the stack.

const { ByteWriter } = require('./byte_writer.js');
const { exception } = require('../common/exceptions.js');
const { types } = require('node:util');
const { TAG, VERSION, DEPTH_MAX, VIEW_NAMES, ERROR_NAMES, ERROR_KIND_DOM_EXCEPTION, ERROR_FLAG } = require('./value_tags.js');
const { append, uncurry, requiredGetterOf } = require('../common/intrinsics.js');
const { arrayBuffer, isDetached, viewBounds, regexpFlags, errorStack, isLengthTracking } = require('./slots.js');
const { isUncloneable, isSurelyPlain, blobBrand, isDOMException, registerPlatformInterface } = require('./brands.js');

const dateValue = uncurry(Date.prototype.getTime);
const numberValue = uncurry(Number.prototype.valueOf);
const stringValue = uncurry(String.prototype.valueOf);
const booleanValue = uncurry(Boolean.prototype.valueOf);
const bigintValue = uncurry(BigInt.prototype.valueOf);
const mapForEach = uncurry(Map.prototype.forEach);
const setForEach = uncurry(Set.prototype.forEach);
const copyBytes = uncurry(Uint8Array.prototype.slice);
const hasOwn = Object.hasOwn;
const regexpSource = requiredGetterOf(RegExp.prototype, 'source');
const domExceptionName = requiredGetterOf(DOMException.prototype, 'name');
const domExceptionMessage = requiredGetterOf(DOMException.prototype, 'message');
/** Up to this many objects are looked up by a scan, which is faster than a Map. */
const SCAN_MAX = 12;

const FRAMES_KEPT_MAX = 64;

const PROPERTIES = 0;
const ELEMENTS = 1;
const VALUES = 2;

/** @type {any[]} */
const NO_LIST = [];

/**
 * A container whose parts are being written. PROPERTIES: `list` has the keys still to write. ELEMENTS: the first `limit`
 * keys of `list` are the indices 0 to limit - 1, properties follow. VALUES: `list` has the values themselves.
 */
class Frame {
  mode = PROPERTIES;
  index = 0;
  limit = 0;
  hasEnd = false;
  /** @type {any} */
  source = null;
  /** @type {any[]} */
  list = NO_LIST;
  /** The frame of the container around it. @type {Frame | null} */
  outer = null;
  /** A frame for a container in it, kept for the next one. @type {Frame | null} */
  inner = null;
}

/** @param {string} what */
function refusal(what) {
  return exception('DataCloneError', `${what} could not be cloned.`);
}

/** @param {object} value */
function refuse(value) {
  let name;
  try {
    name = types.isProxy(value) ? 'Proxy' : value?.constructor?.name;
  } catch {
    name = undefined;
  }
  return refusal(typeof name === 'string' && name !== '' ? `${name} object` : 'The object');
}

/** @typedef {{ offset: number, blob: Blob, size: number }} BlobPart */

/** One serialization at a time; {@link encode} takes another encoder while this one is busy. */
class Encoder {
  #out = new ByteWriter();
  /** Encloses all frames. */
  #outermost = new Frame();
  #frame = this.#outermost;
  #depth = 0;
  #count = 0;
  /** The objects numbered so far, while they are few. @type {object[]} */
  #few = [];
  /** @type {number[]} */
  #fewNumbers = [];
  /** @type {Map<object, number> | null} */
  #many = null;
  /** Lengths of the resizable buffers as they were written. @type {Map<object, number> | null} */
  #lengths = null;
  /** @type {BlobPart[] | null} */
  #blobs = null;

  /** @type {string | null} */
  #keyName = null;
  /** @type {unknown} */
  #keyProperty = undefined;

  /**
   * @param {unknown} value
   * @param {string | null} keyName
   */
  encode(value, keyName) {
    this.#keyName = keyName;
    this.#out.u8(VERSION);
    this.#value(value);
    while (this.#depth > 0) this.#step(this.#frame);
    return { bytes: this.#out.view(), blobs: this.#blobs, keyProperty: this.#keyProperty };
  }

  /** Forgets the value; the references too, so that nothing is kept alive. */
  reset() {
    while (this.#depth > 0) this.#pop();
    this.#out.reset();
    this.#count = 0;
    this.#few.length = 0;
    this.#fewNumbers.length = 0;
    this.#many = null;
    this.#lengths = null;
    this.#blobs = null;
    this.#keyProperty = undefined;
  }

  /**
   * Writes parts until one of them is a container of its own, or the frame is done.
   * @param {Frame} frame
   */
  #step(frame) {
    if (frame.mode === VALUES) return this.#stepValues(frame);
    if (frame.mode === ELEMENTS) return this.#stepElements(frame);
    const depth = this.#depth;
    const { source, list } = frame;
    while (frame.index < list.length) {
      const key = list[frame.index++];
      if (!hasOwn(source, key)) continue;
      const value = source[key];
      if (depth === 1 && key === this.#keyName && frame.hasEnd) this.#keyProperty = value;
      this.#out.string(key, TAG.STRING_LATIN1, TAG.STRING_UTF16);
      this.#value(value);
      if (this.#depth !== depth) return;
    }
    this.#finish(frame);
  }

  /** @param {Frame} frame */
  #stepElements(frame) {
    const depth = this.#depth;
    const { source, limit } = frame;
    while (frame.index < limit) {
      const index = frame.index++;
      // Gone if a getter has deleted it, or shortened the array.
      if (hasOwn(source, index)) this.#value(source[index]);
      else this.#out.u8(TAG.HOLE);
      if (this.#depth !== depth) return;
    }
    if (frame.list.length === limit) return this.#finish(frame);
    frame.mode = PROPERTIES;
  }

  /** @param {Frame} frame */
  #stepValues(frame) {
    const depth = this.#depth;
    while (frame.index < frame.list.length) {
      this.#value(frame.list[frame.index++]);
      if (this.#depth !== depth) return;
    }
    this.#finish(frame);
  }

  /** @param {Frame} frame */
  #finish(frame) {
    if (frame.hasEnd) this.#out.u8(TAG.END);
    this.#pop();
  }

  /**
   * @param {number} mode
   * @param {any} source
   * @param {any[]} list
   * @param {number} limit
   * @param {boolean} hasEnd
   */
  #push(mode, source, list, limit, hasEnd) {
    if (this.#depth === DEPTH_MAX) throw refusal(`A value nested more than ${DEPTH_MAX} deep`);
    this.#depth++;
    const frame = (this.#frame.inner ??= new Frame());
    frame.outer = this.#frame;
    this.#frame = frame;
    frame.mode = mode;
    frame.index = 0;
    frame.limit = limit;
    frame.hasEnd = hasEnd;
    frame.source = source;
    frame.list = list;
  }

  #pop() {
    const frame = this.#frame;
    frame.source = null;
    frame.list = NO_LIST;
    // Frames are kept for the next value, but not as many as one very deep value needed.
    if (--this.#depth === FRAMES_KEPT_MAX) frame.inner = null;
    this.#frame = frame.outer ?? this.#outermost;
  }

  /**
   * Writes a value; of a container only the head, the rest is for its frame.
   * @param {any} value
   */
  #value(value) {
    switch (typeof value) {
      case 'string': return this.#string(value);
      case 'number': return this.#number(value);
      case 'object': return value === null ? this.#out.u8(TAG.NULL) : this.#object(value);
      case 'boolean': return this.#out.u8(value ? TAG.TRUE : TAG.FALSE);
      case 'undefined': return this.#out.u8(TAG.UNDEFINED);
      case 'bigint': return this.#bigint(value);
      case 'symbol': throw refusal(String(value));
      default: throw refusal('A function');
    }
  }

  /** @param {string} value */
  #string(value) {
    this.#out.string(value, TAG.STRING_LATIN1, TAG.STRING_UTF16);
  }

  /** @param {number} value */
  #number(value) {
    if (Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0)) {
      this.#out.u8(TAG.INTEGER);
      return this.#out.integer(value);
    }
    this.#out.u8(TAG.NUMBER);
    // NaN has many representations; this is the canonical one.
    this.#out.f64(value === value ? value : NaN);
  }

  /** @param {bigint} value */
  #bigint(value) {
    const isNegative = value < 0n;
    this.#out.u8(isNegative ? TAG.BIGINT_NEGATIVE : TAG.BIGINT);
    if (value === 0n) return this.#out.varint(0);
    const digits = (isNegative ? -value : value).toString(16);
    const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex').reverse();
    this.#out.varint(magnitude.length);
    this.#out.bytes(magnitude);
  }

  /**
   * The number of an object met before, or -1.
   * @param {object} value
   */
  #numberOf(value) {
    if (this.#many !== null) return this.#many.get(value) ?? -1;
    const position = this.#few.indexOf(value);
    return position < 0 ? -1 : this.#fewNumbers[position];
  }

  /** @param {object} value */
  #remember(value) {
    const number = this.#count++;
    if (this.#many !== null) {
      this.#many.set(value, number);
    } else if (this.#few.length < SCAN_MAX) {
      append(this.#few, value);
      append(this.#fewNumbers, number);
    } else {
      this.#many = new Map(this.#few.map((object, i) => [object, this.#fewNumbers[i]]));
      this.#many.set(value, number);
    }
  }

  /**
   * The head of an object that takes a number.
   * @param {number} tag
   * @param {object} value
   */
  #begin(tag, value) {
    this.#out.u8(tag);
    this.#remember(value);
  }

  /** @param {any} value */
  #object(value) {
    const number = this.#numberOf(value);
    if (number >= 0) {
      this.#out.u8(TAG.REFERENCE);
      return this.#out.varint(number);
    }
    if (types.isProxy(value)) throw refuse(value);
    if (Array.isArray(value)) return this.#array(value);
    if (ArrayBuffer.isView(value)) return this.#view(value);
    const keys = Object.keys(value);
    if (isSurelyPlain(value, keys) || !this.#branded(value)) {
      this.#begin(TAG.OBJECT, value);
      this.#push(PROPERTIES, value, keys, 0, true);
    }
  }

  /** @param {any[]} value */
  #array(value) {
    const { length } = value;
    const keys = Object.keys(value);
    // Indices come first and ascend, so one look tells whether all of them are there.
    const isDense = length === 0 || (keys.length >= length && keys[length - 1] === String(length - 1));
    const hasMore = !isDense || keys.length > length;
    this.#begin(isDense ? (hasMore ? TAG.ARRAY_WITH_PROPERTIES : TAG.ARRAY) : TAG.ARRAY_SPARSE, value);
    this.#out.varint(length);
    this.#push(isDense ? ELEMENTS : PROPERTIES, value, keys, isDense ? length : 0, hasMore);
  }

  /**
   * Writes an object that is known by its slots; false if it is an ordinary one.
   * @param {any} value
   */
  #branded(value) {
    if (types.isDate(value)) this.#date(value);
    else if (types.isMap(value)) this.#map(value);
    else if (types.isSet(value)) this.#set(value);
    else if (types.isBoxedPrimitive(value)) this.#boxed(value);
    else if (types.isRegExp(value)) this.#regexp(value);
    else if (types.isAnyArrayBuffer(value)) this.#buffer(value);
    else if (isDOMException(value)) this.#domException(value);
    else if (types.isNativeError(value)) this.#error(value);
    else if (!this.#blob(value)) {
      if (isUncloneable(value)) throw refuse(value);
      return false;
    }
    return true;
  }

  /** @param {Date} value */
  #date(value) {
    this.#begin(TAG.DATE, value);
    this.#out.f64(dateValue(value));
  }

  /** @param {RegExp} value */
  #regexp(value) {
    this.#begin(TAG.REGEXP, value);
    this.#string(regexpSource(value));
    this.#string(regexpFlags(value));
  }

  /** @param {any} value */
  #boxed(value) {
    if (types.isBooleanObject(value)) {
      this.#begin(booleanValue(value) ? TAG.BOOLEAN_OBJECT_TRUE : TAG.BOOLEAN_OBJECT_FALSE, value);
    } else if (types.isNumberObject(value)) {
      const number = numberValue(value);
      this.#begin(TAG.NUMBER_OBJECT, value);
      this.#out.f64(number === number ? number : NaN);
    } else if (types.isStringObject(value)) {
      this.#begin(TAG.STRING_OBJECT, value);
      this.#string(stringValue(value));
    } else if (types.isBigIntObject(value)) {
      this.#begin(TAG.BIGINT_OBJECT, value);
      this.#bigint(bigintValue(value));
    } else {
      throw refusal('A Symbol object');
    }
  }

  /**
   * The entries are copied first: getters may change the Map while they are written.
   * @param {Map<unknown, unknown>} value
   */
  #map(value) {
    /** @type {unknown[]} */
    const list = [];
    mapForEach(value, (/** @type {unknown} */ item, /** @type {unknown} */ key) => {
      append(list, key);
      append(list, item);
    });
    this.#begin(TAG.MAP, value);
    this.#push(VALUES, null, list, 0, true);
  }

  /** @param {Set<unknown>} value */
  #set(value) {
    /** @type {unknown[]} */
    const list = [];
    setForEach(value, (/** @type {unknown} */ item) => {
      append(list, item);
    });
    this.#begin(TAG.SET, value);
    this.#push(VALUES, null, list, 0, true);
  }

  /** @param {ArrayBufferLike} value */
  #buffer(value) {
    if (types.isSharedArrayBuffer(value)) throw refusal('A SharedArrayBuffer');
    if (isDetached(value)) throw refusal('A detached ArrayBuffer');
    const isResizable = arrayBuffer.resizable?.(value) ?? false;
    const length = arrayBuffer.byteLength(value);
    if (isResizable) (this.#lengths ??= new Map()).set(value, length);
    this.#begin(isResizable ? TAG.BUFFER_RESIZABLE : TAG.BUFFER, value);
    this.#out.varint(length);
    if (isResizable) this.#out.varint(arrayBuffer.maxByteLength?.(value));
    this.#out.bytes(new Uint8Array(value));
  }

  /** @param {ArrayBufferView} value */
  #view(value) {
    const bounds = viewBounds(value);
    if (bounds === null) throw refusal('A view of a detached or too small ArrayBuffer');
    const kind = VIEW_NAMES.indexOf(bounds.name);
    if (kind < 0) throw refuse(value);
    const { buffer, offset, size } = bounds;
    if (types.isSharedArrayBuffer(buffer)) throw refusal('A SharedArrayBuffer');
    // DEVIATION: of a Node Buffer only its own bytes are stored, never the pool around it. See docs/indexeddb.md.
    if (Buffer.isBuffer(value)) return this.#viewOfOwnBuffer({}, value, kind, bounds);
    const isWhole = offset === 0 && size === arrayBuffer.byteLength(buffer) && !(arrayBuffer.resizable?.(buffer) ?? false);
    const number = this.#numberOf(buffer);
    if (isWhole && number < 0) return this.#viewOfOwnBuffer(buffer, value, kind, bounds);
    if (offset + size > (this.#lengths?.get(buffer) ?? Infinity)) throw refusal('A view beyond the end that its ArrayBuffer had before a getter resized it');
    this.#begin(TAG.VIEW, value);
    this.#out.u8(kind);
    this.#out.varint(offset);
    this.#out.varint(size);
    this.#out.u8(isLengthTracking(value, bounds) ? 1 : 0);
    if (number < 0) return this.#buffer(buffer);
    this.#out.u8(TAG.REFERENCE);
    this.#out.varint(number);
  }

  /**
   * @param {object} identity what later references to the buffer mean
   * @param {ArrayBufferView} value
   * @param {number} kind
   * @param {NonNullable<ReturnType<typeof viewBounds>>} bounds
   */
  #viewOfOwnBuffer(identity, value, kind, { buffer, offset, size }) {
    this.#begin(TAG.VIEW_OF_OWN_BUFFER, identity);
    this.#remember(value);
    this.#out.u8(kind);
    this.#out.varint(size);
    this.#out.bytes(new Uint8Array(buffer, offset, size));
  }

  /** @param {any} value */
  #error(value) {
    const name = value.name;
    const message = Object.getOwnPropertyDescriptor(value, 'message');
    const hasMessage = message !== undefined && 'value' in message;
    const text = hasMessage ? `${message.value}` : undefined;
    const cause = Object.getOwnPropertyDescriptor(value, 'cause');
    const hasCause = cause !== undefined && 'value' in cause;
    const kind = ERROR_NAMES.indexOf(name);
    this.#begin(TAG.ERROR, value);
    this.#errorHead(kind < 0 || kind === ERROR_KIND_DOM_EXCEPTION ? 0 : kind, undefined, text, errorStack(value), hasCause);
    if (hasCause) this.#push(VALUES, null, [cause.value], 0, false);
  }

  /** @param {DOMException} value */
  #domException(value) {
    this.#begin(TAG.ERROR, value);
    const name = domExceptionName(value);
    this.#errorHead(ERROR_KIND_DOM_EXCEPTION, name, domExceptionMessage(value), errorStack(value), false);
  }

  /**
   * @param {number} kind
   * @param {string | undefined} name
   * @param {string | undefined} message
   * @param {string | undefined} stack
   * @param {boolean} hasCause
   */
  #errorHead(kind, name, message, stack, hasCause) {
    this.#out.u8(kind);
    this.#out.u8((message === undefined ? 0 : ERROR_FLAG.MESSAGE) | (stack === undefined ? 0 : ERROR_FLAG.STACK) |
      (hasCause ? ERROR_FLAG.CAUSE : 0) | (name === undefined ? 0 : ERROR_FLAG.NAME));
    if (name !== undefined) this.#string(name);
    if (message !== undefined) this.#string(message);
    if (stack !== undefined) this.#string(stack);
  }

  /**
   * Room for the bytes of a Blob or File; reading them takes time and is up to the caller. False if it is none.
   * @param {any} value
   */
  #blob(value) {
    const brand = blobBrand(value);
    if (brand === null) return false;
    const { size, type } = value;
    this.#begin(brand === 'File' ? TAG.FILE : TAG.BLOB, value);
    if (brand === 'File') this.#string(String(value.name));
    this.#string(String(type));
    if (brand === 'File') this.#out.f64(Number(value.lastModified));
    this.#out.varint(size);
    append((this.#blobs ??= []), { offset: this.#out.length, blob: value, size });
    this.#out.zeros(size);
    return true;
  }
}

/** @type {Encoder | null} */
let idleEncoder = new Encoder();

/**
 * Serializes a value for storage. Getters in it run; what they throw passes through. The contents of Blobs and Files are zeros
 * in `bytes` and must be filled in at the places named in `blobs`.
 * @param {unknown} value
 * @returns {{ bytes: Uint8Array, blobs: BlobPart[] | null }} bytes that belong to the caller
 * @throws {DOMException} DataCloneError: the value, or a part of it, cannot be cloned
 */
function encode(value) {
  const { bytes, blobs } = encodeForNow(value, null);
  return { bytes: copyBytes(bytes), blobs };
}

/**
 * The same, with bytes that the next call uses again. `keyProperty` is what the property `keyName` of a plain object was when it was
 * written; undefined if the value is anything else.
 * @param {unknown} value
 * @param {string | null} keyName
 * @returns {{ bytes: Uint8Array, blobs: BlobPart[] | null, keyProperty: unknown }}
 */
function encodeForNow(value, keyName) {
  // A getter may serialize another value in the middle of this one: it finds no idle encoder and takes a new one.
  const encoder = idleEncoder ?? new Encoder();
  idleEncoder = null;
  try {
    return encoder.encode(value, keyName);
  } finally {
    encoder.reset();
    idleEncoder = encoder;
  }
}

module.exports = { encode, encodeForNow, registerPlatformInterface };
