'use strict';

// The language's own methods and properties, captured at import, and lists and objects filled past whatever user code has planted on prototypes since.

const arrayPrototype = Array.prototype;
const objectPrototype = Object.prototype;
/** @type {(object: object, key: PropertyKey, descriptor: any) => void} */
const defineProperty = Object.defineProperty;

/**
 * `f(object, ...rest)` for a method.
 * @param {Function} method
 * @returns {(...parameters: any[]) => any}
 */
function uncurry(method) {
  return Function.prototype.call.bind(/** @type {any} */ (method));
}

/**
 * `f(object)` for the getter `name` of `prototype`; `undefined` if this runtime has none.
 * @param {object} prototype
 * @param {PropertyKey} name
 */
function getterOf(prototype, name) {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  return get === undefined ? undefined : uncurry(get);
}

/**
 * The same for a getter that every runtime has.
 * @param {object} prototype
 * @param {PropertyKey} name
 * @returns {(object: unknown) => any}
 */
function requiredGetterOf(prototype, name) {
  return /** @type {any} */ (getterOf(prototype, name));
}

/**
 * Adds to the end of an array that is ours, as a property of its own: a setter that someone planted on Array.prototype is not met.
 * @template T
 * @param {T[]} list
 * @param {T} value
 */
function append(list, value) {
  setElement(list, list.length, value);
}

/**
 * The same at any index.
 * @template T
 * @param {T[]} list
 * @param {number} index
 * @param {T} value
 */
function setElement(list, index, value) {
  if (index in arrayPrototype) defineOwn(list, index, value);
  else list[index] = value;
}

/**
 * Gives `object` an own property, as CreateDataProperty does. Plain assignment is ten times faster, and the same thing
 * where no prototype knows the name.
 * @param {any} object whose prototype is Object.prototype, or one of ours that inherits from it
 * @param {PropertyKey} key
 * @param {unknown} value
 */
function setProperty(object, key, value) {
  if (key in objectPrototype) defineOwn(object, key, value);
  else object[key] = value;
}

/**
 * https://tc39.es/ecma262/#sec-createdatapropertyorthrow
 * @param {object} object
 * @param {PropertyKey} key
 * @param {unknown} value
 */
function defineOwn(object, key, value) {
  // Without a prototype: one with a planted `get` would be taken for the descriptor of an accessor.
  defineProperty(object, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

/**
 * True if `f` answers rather than throws: the way to ask a getter or method whether an object has its slot.
 * @param {() => unknown} f
 */
function succeeds(f) {
  try {
    f();
    return true;
  } catch {
    return false;
  }
}

module.exports = { uncurry, getterOf, requiredGetterOf, append, setElement, setProperty, defineOwn, succeeds };
