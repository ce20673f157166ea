'use strict';

// What an object is, by its internal slots and not by its prototype: objects of other realms (vm contexts, jsdom,
// Jest) and objects with a changed prototype are told apart correctly. Everything is captured at import, so that user
// code that patches a prototype later does not change what we see.

const { createHistogram } = require('node:perf_hooks');
const { types } = require('node:util');
const { Serializer } = require('node:v8');
const buffer = require('node:buffer');
const { uncurry, getterOf, requiredGetterOf, succeeds } = require('../common/intrinsics.js');

const objectPrototype = Object.prototype;
const toStringTag = Symbol.toStringTag;

const hasOwn = Object.hasOwn;
const objectToString = uncurry(objectPrototype.toString);
const functionToString = uncurry(Function.prototype.toString);
const isPrototypeOf = uncurry(objectPrototype.isPrototypeOf);
const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
const weakRefDeref = uncurry(WeakRef.prototype.deref);
const registryUnregister = uncurry(FinalizationRegistry.prototype.unregister);

/** Constructors of the language: their instances are recognised by slot, their prototypes mean nothing. */
const languageNames = new Set([
  'Object', 'Function', 'Array', 'Boolean', 'Number', 'BigInt', 'String', 'Symbol', 'Date', 'RegExp', 'Map', 'Set',
  'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'Promise', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView',
  'Iterator', 'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError',
  'AggregateError', 'SuppressedError', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array',
  'Int32Array', 'Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
]);

/** @param {string} name */
const ofCrypto = (name) => /** @type {const} */ ([name, () => /** @type {any} */ (require('node:crypto'))[name]]);

/**
 * Classes of Node with native slots that are not properties of the global object, by name. Whoever has an instance has loaded the module: it is not
 * loaded before such a name is met.
 * @type {Map<string, () => Function | undefined>}
 */
const hostClasses = new Map([
  ...['KeyObject', 'X509Certificate', 'Hash', 'Hmac', 'Sign', 'Verify', 'DiffieHellman', 'DiffieHellmanGroup', 'ECDH'].map(ofCrypto),
  ['BlockList', () => require('node:net').BlockList],
  ['SocketAddress', () => require('node:net').SocketAddress],
  ['Script', () => require('node:vm').Script],
  ['Histogram', () => Object.getPrototypeOf(createHistogram().constructor.prototype).constructor],
]);

/**
 * By the prototype: some constructors are exported in a wrapper that warns of its use.
 * @param {string} name of its constructor
 * @param {object} prototype
 */
function isHostPrototype(name, prototype) {
  try {
    return hostClasses.get(name)?.()?.prototype === prototype;
  } catch {
    return false; // a Node without crypto
  }
}

/** Prototypes of interfaces that are not properties of the global object. */
const platformPrototypes = new WeakSet();

/**
 * Makes instances of `constructor` platform objects, which cannot be cloned. The facade calls it for its interfaces.
 * @param {Function} constructor
 */
function registerPlatformInterface(constructor) {
  platformPrototypes.add(constructor.prototype);
}

/**
 * The own data property `name` if it is a string or function, without running a getter.
 * @param {object} object
 * @param {PropertyKey} name
 */
function ownData(object, name) {
  return Object.getOwnPropertyDescriptor(object, name)?.value;
}

/**
 * True if `prototype` belongs to an interface of the host: one that the global object offers without listing it, as
 * WebIDL demands. Classes that a user hangs on the global object are enumerable there.
 * @param {object} prototype
 */
function isInterfacePrototype(prototype) {
  if (platformPrototypes.has(prototype)) return true;
  const constructor = ownData(prototype, 'constructor');
  const name = typeof constructor === 'function' && !types.isProxy(constructor) ? ownData(constructor, 'name') : undefined;
  if (typeof name !== 'string' || languageNames.has(name)) return false;
  if (isHostPrototype(name, prototype) || isEventPrototype(name, prototype)) return true;
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name);
  if (descriptor === undefined || descriptor.enumerable) return false;
  const found = 'value' in descriptor ? descriptor.value : /** @type {any} */ (globalThis)[name];
  return found === constructor;
}

/**
 * Nodes, windows and events of an environment that lists its interfaces on the global object, and makes subclasses of them for each window, as
 * happy-dom does.
 * @param {string} name of its constructor
 * @param {object} prototype
 */
function isEventPrototype(name, prototype) {
  if (name !== 'EventTarget' && name !== 'Event') return false;
  for (let p = globalThis[name]?.prototype; p !== null && p !== undefined; p = Object.getPrototypeOf(p)) if (p === prototype) return true;
  return false;
}

/** Of a polyfill, too: it need not be on the global object, and what its objects hold is nothing that could be copied. */
const temporalTags = new Set([
  'Duration', 'Instant', 'PlainDate', 'PlainDateTime', 'PlainMonthDay', 'PlainTime', 'PlainYearMonth', 'ZonedDateTime', 'Calendar', 'TimeZone',
].map((name) => `Temporal.${name}`));

/**
 * Objects of the language that have slots, cannot be cloned, and have no test of their own in `util.types`. Classes of a user may have such a tag, too.
 * @param {object} prototype not a Proxy
 */
function isPrototypeWithSlots(prototype) {
  const tag = ownData(prototype, toStringTag);
  if (typeof tag !== 'string') return false;
  if (tag.endsWith(' Iterator')) return isIteratorPrototype(prototype);
  if (temporalTags.has(tag)) return true;
  const [, namespace, name] = /^(Intl|WebAssembly)\.(\w+)$/.exec(tag) ?? [];
  return name !== undefined && isPrototypeIn(namespace, name, prototype);
}

/**
 * @param {object} prototype
 */
function isIteratorPrototype(prototype) {
  const next = ownData(prototype, 'next');
  return isNative(next, 'next') || isPrototypeOf(iteratorPrototype, prototype);
}

/**
 * True for those of other realms, too.
 * @param {string} namespace
 * @param {string} name
 * @param {object} prototype
 */
function isPrototypeIn(namespace, name, prototype) {
  const constructor = ownData(prototype, 'constructor');
  if (typeof constructor !== 'function' || types.isProxy(constructor) || ownData(constructor, 'prototype') !== prototype) return false;
  return isNative(constructor, name) || /** @type {any} */ (globalThis)[namespace]?.[name] === constructor;
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function isNative(value, name) {
  return typeof value === 'function' && functionToString(value) === `function ${name}() { [native code] }`;
}

/**
 * jsdom marks its wrappers, whatever window they come from.
 * @param {object} value
 */
function isJsdomWrapper(value) {
  return Object.getOwnPropertySymbols(value).some((symbol) => symbol.description === '[webidl2js] impl');
}

/**
 * The object's classes, as far as they are of the host. `value` must not be a Proxy.
 * @param {object} value
 */
function hasPlatformPrototype(value) {
  for (let p = Object.getPrototypeOf(value); p !== null && p !== objectPrototype; p = Object.getPrototypeOf(p)) {
    // A Proxy as prototype would run user code, and no host object has one.
    if (types.isProxy(p)) return false;
    if (isInterfacePrototype(p) || isPrototypeWithSlots(p)) return true;
  }
  return false;
}

/**
 * Objects with internal slots that cannot be cloned, and platform objects that are not serializable.
 * `value` is not a Proxy, a function, or any of the objects that can be cloned.
 * @param {object} value
 */
function isUncloneable(value) {
  return value === globalThis || types.isPromise(value) || types.isWeakMap(value) || types.isWeakSet(value) ||
    types.isSymbolObject(value) || types.isGeneratorObject(value) || types.isMapIterator(value) ||
    types.isSetIterator(value) || types.isArgumentsObject(value) || types.isExternal(value) ||
    types.isModuleNamespaceObject(value) || isWeakRefOrRegistry(value) || isJsdomWrapper(value) ||
    hasPlatformPrototype(value) || isUnknownBlob(value) || (isBelowProxy(value) && hasSlots(value));
}

/**
 * Asking for a slot is slow when the answer is no (an exception), so only objects whose class has such a member are asked. One of their own, as
 * many objects have a size or a code, says nothing. What is behind a Proxy is not asked: that would run user code.
 * @param {object} value
 * @param {string} name
 */
function inherits(value, name) {
  for (let p = Object.getPrototypeOf(value); p !== null && !types.isProxy(p); p = Object.getPrototypeOf(p)) if (hasOwn(p, name)) return true;
  return false;
}

/**
 * @param {object} value
 * @param {string} name
 */
function has(value, name) {
  return hasOwn(value, name) || inherits(value, name);
}

/** @param {object} value */
function isWeakRefOrRegistry(value) {
  return (inherits(value, 'deref') && succeeds(() => weakRefDeref(value))) ||
    (inherits(value, 'unregister') && succeeds(() => registryUnregister(value, value)));
}

/** @param {object} value not a Proxy itself */
function isBelowProxy(value) {
  for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) if (types.isProxy(p)) return true;
  return false;
}

/** Properties in which Node keeps the slots of its objects. */
const slotSymbols = new Set([new buffer.Blob([]), new EventTarget(), new Event('')].flatMap(Object.getOwnPropertySymbols));

/**
 * What can be seen of an object without asking its chain, of which a Proxy is a part.
 * @param {object} value
 */
function hasSlots(value) {
  if (Object.getOwnPropertySymbols(value).some((symbol) => slotSymbols.has(symbol))) return true;
  if (succeeds(() => weakRefDeref(value)) || succeeds(() => registryUnregister(value, value))) return true;
  // V8 refuses what has slots. It is asked where it meets no property, and thus no code of a user.
  return Object.getOwnPropertyNames(value).length === 0 && !hasOwn(value, toStringTag) && !succeeds(() => new SlotFinder().writeValue(value));
}

class SlotFinder extends Serializer {
  /** For objects of Node. */
  _writeHostObject() {
    throw new TypeError('It has slots');
  }
}

/**
 * True for nearly every object literal and JSON object, in a few nanoseconds. False says nothing. An object with slots
 * of its own, whose prototype was replaced by Object.prototype and that was given enumerable properties, passes for
 * plain; without such properties it is looked at closely. `value` must not be a Proxy or an array.
 * @param {object} value
 * @param {string[]} keys its own enumerable keys
 */
function isSurelyPlain(value, keys) {
  const prototype = Object.getPrototypeOf(value);
  return (prototype === objectPrototype || prototype === null) && keys.length !== 0 && !(toStringTag in value) &&
    objectToString(value) === '[object Object]' && value !== globalThis;
}

const BlobConstructor = buffer.Blob;
const FileConstructor = /** @type {any} */ (buffer).File ?? globalThis.File;
const blobSize = requiredGetterOf(BlobConstructor.prototype, 'size');
const fileLastModified = FileConstructor && getterOf(FileConstructor.prototype, 'lastModified');

/**
 * The nearest interface name on the prototype chain of an object that looks like a Blob of another implementation.
 * @param {any} value
 */
function lookalikeTag(value) {
  for (let p = Object.getPrototypeOf(value); p !== null && !types.isProxy(p); p = Object.getPrototypeOf(p)) {
    const tag = lookalikeName(p);
    if (tag !== null) {
      const hasMembers = has(value, 'size') && has(value, 'slice') && has(value, 'type');
      return hasMembers && typeof value.size === 'number' && typeof value.slice === 'function' && typeof value.type === 'string' ? tag : null;
    }
  }
  return null;
}

/**
 * By its tag, or, as those of happy-dom have none, by its place on the global object.
 * @param {object} prototype
 */
function lookalikeName(prototype) {
  const tag = ownData(prototype, toStringTag);
  if (tag === 'Blob' || tag === 'File') return tag;
  const constructor = ownData(prototype, 'constructor');
  if (typeof constructor !== 'function') return null;
  if (constructor === globalThis.File) return 'File';
  return constructor === globalThis.Blob ? 'Blob' : null;
}

/**
 * A Blob of a class that nobody knows, whose contents would be lost.
 * @param {any} value
 */
function isUnknownBlob(value) {
  return has(value, 'size') && has(value, 'type') && inherits(value, 'arrayBuffer') && inherits(value, 'slice') &&
    typeof value.arrayBuffer === 'function' && typeof value.slice === 'function';
}

/**
 * 'Blob' or 'File' if it is one, else `null`. Blobs of jsdom and the like, which have no slot that we could ask, are
 * recognised by their interface and their members.
 * @param {object} value
 * @returns {'Blob' | 'File' | null}
 */
function blobBrand(value) {
  if (!has(value, 'size') || isBelowProxy(value)) return null;
  if (inherits(value, 'size') && succeeds(() => blobSize(value))) {
    return fileLastModified !== undefined && succeeds(() => fileLastModified(value)) ? 'File' : 'Blob';
  }
  return lookalikeTag(value);
}

const domExceptionCode = requiredGetterOf(DOMException.prototype, 'code');

/**
 * True for a DOMException.
 * @param {object} value
 */
function isDOMException(value) {
  return (inherits(value, 'code') || isBelowProxy(value)) && value !== DOMException.prototype && succeeds(() => domExceptionCode(value));
}

module.exports = { registerPlatformInterface, isUncloneable, isSurelyPlain, blobBrand, isDOMException };
