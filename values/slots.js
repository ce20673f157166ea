'use strict';

// What is in the internal slots of objects: properties and prototypes that user code may have changed are not asked.

const { types } = require('node:util');
const { getterOf, requiredGetterOf, succeeds, uncurry } = require('../common/intrinsics.js');
const { VIEW_NAMES, VIEW_ELEMENT_SIZES } = require('./value_tags.js');

const toStringTag = Symbol.toStringTag;
const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);

const arrayBuffer = {
  byteLength: requiredGetterOf(ArrayBuffer.prototype, 'byteLength'),
  resizable: getterOf(ArrayBuffer.prototype, 'resizable'),
  maxByteLength: getterOf(ArrayBuffer.prototype, 'maxByteLength'),
  detached: getterOf(ArrayBuffer.prototype, 'detached'),
  resize: 'resize' in ArrayBuffer.prototype ? uncurry(/** @type {any} */ (ArrayBuffer.prototype).resize) : undefined,
};

const typedArray = {
  name: requiredGetterOf(typedArrayPrototype, toStringTag),
  buffer: requiredGetterOf(typedArrayPrototype, 'buffer'),
  byteOffset: requiredGetterOf(typedArrayPrototype, 'byteOffset'),
  byteLength: requiredGetterOf(typedArrayPrototype, 'byteLength'),
  values: uncurry(typedArrayPrototype.values),
};

const dataView = {
  buffer: requiredGetterOf(DataView.prototype, 'buffer'),
  byteOffset: requiredGetterOf(DataView.prototype, 'byteOffset'),
  byteLength: requiredGetterOf(DataView.prototype, 'byteLength'),
};

/**
 * https://tc39.es/ecma262/#sec-isdetachedbuffer
 * @param {unknown} value an ArrayBuffer
 * @returns {boolean}
 */
function isDetached(value) {
  if (arrayBuffer.detached !== undefined) return arrayBuffer.detached(value);
  return arrayBuffer.byteLength(value) === 0 && !succeeds(() => new Uint8Array(/** @type {ArrayBuffer} */ (value)));
}

/**
 * Where a view looks, or `null` if its buffer is detached or has shrunk below it.
 * @param {unknown} view
 * @returns {{ name: string, buffer: ArrayBufferLike, offset: number, size: number } | null}
 */
function viewBounds(view) {
  const name = typedArray.name(view);
  if (name === undefined) {
    try {
      return {
        name: 'DataView', buffer: dataView.buffer(view), offset: dataView.byteOffset(view), size: dataView.byteLength(view),
      };
    } catch {
      return null;
    }
  }
  const size = typedArray.byteLength(view);
  // A detached or out-of-bounds array reports zero; methods that validate their receiver tell the difference.
  if (size === 0 && !succeeds(() => typedArray.values(view))) return null;
  return { name, buffer: typedArray.buffer(view), offset: typedArray.byteOffset(view), size };
}

/** Newer engines have `stack` as an accessor that all errors share; any other accessor is user code. */
const nativeStackGetter = Object.getOwnPropertyDescriptor(new Error(), 'stack')?.get;

/** Flags in the order of `RegExp.prototype.flags`. A getter that this runtime lacks stands for a flag that cannot be set. */
const regexpFlagGetters = /** @type {[string, string][]} */ ([
  ['d', 'hasIndices'], ['g', 'global'], ['i', 'ignoreCase'], ['m', 'multiline'], ['s', 'dotAll'], ['u', 'unicode'],
  ['v', 'unicodeSets'], ['y', 'sticky'],
]).map(([letter, name]) => ({ letter, get: getterOf(RegExp.prototype, name) }));

/**
 * @param {RegExp} value
 * @returns {string} its flags by slot; the `flags` getter would ask properties that user code may have overridden
 */
function regexpFlags(value) {
  let flags = '';
  for (const { letter, get } of regexpFlagGetters) if (get !== undefined && get(value)) flags += letter;
  return flags;
}

/**
 * The stack of an error. Reading it for the first time may format it, which asks for name and message and calls
 * Error.prepareStackTrace; where that would run a getter of the error the stack is left out.
 * @param {object} value
 * @returns {string | undefined}
 */
function errorStack(value) {
  if (hasAccessor(value, 'name') || hasAccessor(value, 'message')) return undefined;
  try {
    const descriptor = Object.getOwnPropertyDescriptor(value, 'stack');
    const isNativeAccessor = descriptor?.get !== undefined && descriptor.get === nativeStackGetter;
    const stack = isNativeAccessor ? /** @type {any} */ (value).stack : descriptor?.value;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {object} object
 * @param {PropertyKey} key
 */
function hasAccessor(object, key) {
  return Object.getOwnPropertyDescriptor(object, key)?.get !== undefined;
}

/**
 * True if the view follows the length of its resizable buffer. The language has no question for it, so the buffer is resized
 * for a moment; nobody can see that, since no other thread shares it.
 * @param {any} view
 * @param {NonNullable<ReturnType<typeof viewBounds>>} bounds
 */
function isLengthTracking(view, { buffer, offset, size, name }) {
  const { resize, resizable, maxByteLength } = arrayBuffer;
  if (types.isSharedArrayBuffer(buffer) || resize === undefined || !resizable?.(buffer)) return false;
  const length = arrayBuffer.byteLength(buffer);
  const elementSize = VIEW_ELEMENT_SIZES[VIEW_NAMES.indexOf(name)];
  if (length - offset - size >= elementSize) return false;
  const probe = Math.floor((length - offset) / elementSize + 1) * elementSize + offset;
  try {
    if (probe <= maxByteLength?.(buffer)) {
      resize(buffer, probe);
      const tracks = viewBounds(view)?.size !== size;
      resize(buffer, length);
      return tracks;
    }
    if (size === 0) return false;
    const tail = new Uint8Array(buffer, offset + size - elementSize).slice();
    resize(buffer, offset + size - elementSize);
    const tracks = viewBounds(view) !== null;
    resize(buffer, length);
    new Uint8Array(buffer, offset + size - elementSize).set(tail);
    return tracks;
  } catch {
    // A buffer that its host lets grow in steps only (WebAssembly): the view is taken as it is now.
    return false;
  }
}

module.exports = { arrayBuffer, isDetached, viewBounds, regexpFlags, errorStack, isLengthTracking };
