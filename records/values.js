'use strict';

/** Values: bytes and text as they are given, everything else in the value format that IndexedDB's values have too. */

const { types } = require('node:util');
const { decode } = require('../values/decode.js');
const { encode } = require('../values/clone.js');
const { FlowDBError, invalid, renamed, tooLarge } = require('../common/errors.js');
const { checkBytes, isWellFormed } = require('./keys.js');
const { expected } = require('../common/options.js');

/** What the first byte of a record says about the rest (docs/format.md, section 5.1). */
const FORM_BYTES = 0;
const FORM_TEXT = 1;
const FORM_VALUE = 2;

/** Values that are bytes share memory of this size at most with others, as small Buffers of Node's do. */
const SHARED_BYTES_MAX = 80 * 1024;

/** Largest value, in bytes as it is stored. */
const VALUE_BYTES_MAX = 512 * 1024 * 1024;

/**
 * A value as it will be stored. `bytes` may be the caller's own: copy it before any of the caller's code runs again.
 *
 * @typedef {{ form: number, bytes: Uint8Array }} StoredValue
 */

/**
 * @param {any} value
 * @param {string} encoding
 * @param {string} [name] what to call it in errors
 * @returns {StoredValue}
 */
function encodeValue(value, encoding, name = 'value') {
  const stored = encoded(value, encoding, name);
  if (stored.bytes.length > VALUE_BYTES_MAX) {
    throw tooLarge(name, `is ${stored.bytes.length} bytes long as stored; the limit is ${VALUE_BYTES_MAX}`);
  }
  return stored;
}

/**
 * @param {any} value
 * @param {string} encoding
 * @param {string} name
 * @returns {StoredValue}
 */
function encoded(value, encoding, name) {
  const encode = ENCODERS[/** @type {keyof ENCODERS} */ (encoding)];
  if (name === 'value') return encode(value);
  try {
    return encode(value);
  } catch (error) {
    throw error instanceof FlowDBError ? renamed(error, name) : error;
  }
}

const ENCODERS = {
  /** @param {any} value */
  any(value) {
    if (value === undefined) throw invalid('value', 'undefined stands for "nothing is there" and cannot be stored');
    if (types.isUint8Array(value)) return { form: FORM_BYTES, bytes: checkBytes(value, 'value') };
    if (typeof value === 'string' && isWellFormed(value)) return text(value);
    return { form: FORM_VALUE, bytes: encodeStructured(value) };
  },
  /** @param {any} value */
  utf8(value) {
    if (typeof value !== 'string') throw expected('value', value, 'a string');
    if (!isWellFormed(value)) throw invalid('value', 'the string has a lone surrogate, which UTF-8 cannot hold');
    return text(value);
  },
  /** @param {any} value */
  buffer(value) {
    if (!types.isUint8Array(value)) throw expected('value', value, 'a Uint8Array');
    return { form: FORM_BYTES, bytes: checkBytes(value, 'value') };
  },
  /** @param {any} value */
  json(value) {
    const json = stringified(value);
    if (json === undefined) throw expected('value', value, 'something that JSON can hold');
    // NaN, infinities and invalid Dates: what comes back would be something else, and nobody would know.
    if (json === 'null' && value !== null) throw expected('value', value, 'something that JSON has more than null for');
    return text(json);
  },
};

/**
 * @param {any} value
 * @returns {string | undefined}
 */
function stringified(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw notJson(error);
  }
}

/**
 * A TypeError is what JSON has against cycles and BigInts. Two kinds of RangeErrors are V8's own, which runs out of stack or of characters. Other errors are those of
 * a `toJSON` of the caller's.
 *
 * @param {any} error
 */
function notJson(error) {
  if (error instanceof TypeError) return invalid('value', error.message, error);
  if (!(error instanceof RangeError)) return error;
  if (error.message === 'Maximum call stack size exceeded') return invalid('value', 'is nested too deep for JSON', error);
  return error.message === 'Invalid string length' ? tooLarge('value', 'is longer as JSON than a string can be') : error;
}

/**
 * @param {string} value
 * @returns {StoredValue}
 */
function text(value) {
  return { form: FORM_TEXT, bytes: Buffer.from(value, 'utf8') };
}

/**
 * @param {any} value
 * @returns {Uint8Array}
 */
function encodeStructured(value) {
  const { bytes, blobs } = cloned(value);
  if (blobs) throw invalid('value', 'a Blob or File has to be read first; IndexedDB stores them');
  return bytes;
}

/** @param {any} value */
function cloned(value) {
  try {
    return encode(value);
  } catch (error) {
    throw notCloneable(error);
  }
}

/**
 * What a getter of the caller's threw is the caller's.
 *
 * @param {any} error
 */
function notCloneable(error) {
  if (error?.name !== 'DataCloneError') return error;
  return invalid('value', error.message, error);
}

/**
 * @param {StoredValue} value
 * @returns {Buffer} form byte and contents, in memory of its own
 */
function toRecord({ form, bytes }) {
  const record = Buffer.allocUnsafe(1 + bytes.length);
  record[0] = form;
  record.set(bytes, 1);
  return record;
}

/**
 * @param {Buffer} bytes with a record in them: form byte and contents
 * @param {string} encoding
 * @param {number} [start] of the record
 * @param {number} [end]
 * @returns {any} bytes may share the memory of the record, everything else has its own
 */
function decodeValue(bytes, encoding, start = 0, end = bytes.length) {
  const form = bytes[start];
  if (form === FORM_VALUE) {
    if (encoding === 'any') return decode(bytes.subarray(start + 1, end));
    throw invalid('valueEncoding', `the record holds a structured value, which '${encoding}' cannot express`);
  }
  if (form > FORM_VALUE) throw unknownForm(form);
  if (encoding === 'buffer' || (encoding === 'any' && form === FORM_BYTES)) return contentsOf(bytes, start + 1, end);
  const string = bytes.toString('utf8', start + 1, end);
  return encoding === 'json' ? parse(string) : string;
}

/** @param {number} form */
function unknownForm(form) {
  return new FlowDBError('FLOWDB_CORRUPTION', `the record begins with the byte ${form}, which is no form of a value`);
}

/**
 * @param {Buffer} bytes
 * @param {number} start
 * @param {number} end
 * @returns {Buffer} whoever keeps a part must not keep much more in memory than that
 */
function contentsOf(bytes, start, end) {
  const contents = bytes.subarray(start, end);
  return bytes.length <= SHARED_BYTES_MAX || 2 * contents.length > bytes.length ? contents : Buffer.from(contents);
}

/**
 * A function for each encoding that decodes the record between two offsets.
 *
 * @type {Record<string, (bytes: Buffer, start: number, end: number) => any>}
 */
const DECODERS = Object.fromEntries(Object.keys(ENCODERS).map((encoding) => [
  encoding, (bytes, start, end) => decodeValue(bytes, encoding, start, end)]));

/** @param {string} json */
function parse(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw invalid('valueEncoding', 'the record does not hold JSON', error);
  }
}

module.exports = { DECODERS, FORM_VALUE, SHARED_BYTES_MAX, decodeValue, encodeValue, toRecord };
