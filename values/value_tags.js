'use strict';

// Numbers of the value format; docs/format.md section 8 has their meaning.

/** First byte of every value. */
const VERSION = 1;

/** Containers (tags 13 to 18, and an Error with a cause) enclose each other at most this deep. */
const DEPTH_MAX = 10_000;

const TAG = Object.freeze({
  UNDEFINED: 0x01,
  NULL: 0x02,
  FALSE: 0x03,
  TRUE: 0x04,
  HOLE: 0x05,
  INTEGER: 0x06,
  NUMBER: 0x07,
  BIGINT: 0x08,
  BIGINT_NEGATIVE: 0x09,
  STRING_LATIN1: 0x0a,
  STRING_UTF16: 0x0b,
  DATE: 0x0c,
  REGEXP: 0x0d,
  BOOLEAN_OBJECT_FALSE: 0x0e,
  BOOLEAN_OBJECT_TRUE: 0x0f,
  NUMBER_OBJECT: 0x10,
  STRING_OBJECT: 0x11,
  BIGINT_OBJECT: 0x12,
  OBJECT: 0x13,
  ARRAY: 0x14,
  ARRAY_WITH_PROPERTIES: 0x15,
  ARRAY_SPARSE: 0x16,
  MAP: 0x17,
  SET: 0x18,
  BUFFER: 0x19,
  BUFFER_RESIZABLE: 0x1a,
  VIEW: 0x1b,
  VIEW_OF_OWN_BUFFER: 0x1c,
  ERROR: 0x1d,
  BLOB: 0x1e,
  FILE: 0x1f,
  REFERENCE: 0x20,
  END: 0x7f,
});

/** View kinds by number. */
const VIEW_NAMES = Object.freeze([
  'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array',
  'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array',
]);

/** Bytes of one element, by view kind. */
const VIEW_ELEMENT_SIZES = Object.freeze([1, 1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2]);

/** Error kinds by number. The last one is not an Error of the language and carries its name. */
const ERROR_NAMES = Object.freeze([
  'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'DOMException',
]);

const ERROR_KIND_DOM_EXCEPTION = 7;

const ERROR_FLAG = Object.freeze({ MESSAGE: 1, STACK: 2, CAUSE: 4, NAME: 8 });

module.exports = {
  VERSION, DEPTH_MAX, TAG, VIEW_NAMES, VIEW_ELEMENT_SIZES, ERROR_NAMES, ERROR_KIND_DOM_EXCEPTION, ERROR_FLAG,
};
