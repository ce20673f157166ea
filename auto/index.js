'use strict';

// Installs IndexedDB as globals, in the shape the standard gives them:
// https://w3c.github.io/IndexedDB/#factory-interface. DEVIATION: indexedDB can be assigned, see docs/indexeddb.md.

const indexeddb = require('../indexeddb/index.js');

const { indexedDB, forceCloseDatabase, ...interfaces } = indexeddb;

/** The value of the attribute; replaced when a script assigns to it. @type {unknown} */
let factory = indexedDB;

const attribute = {
  get indexedDB() {
    assertGlobal(this);
    return factory;
  },
  set indexedDB(value) {
    assertGlobal(this);
    factory = value;
  },
};

/**
 * What accessors of the global object are called on: itself, but in a vm context, which is where some test runners load
 * modules, the object that the context was made from.
 * @returns {unknown}
 */
function globalReceiver() {
  /** Kept, not returned by the getter: a context gives its global in place of that object. @type {unknown} */
  let receiver;
  const descriptor = {
    /** @this {unknown} */
    get() {
      receiver = this;
      return undefined;
    },
    configurable: true,
  };
  Object.defineProperty(globalThis, 'indexedDB', descriptor); // replaced below
  void globalThis.indexedDB;
  return receiver;
}

const receiverOfGlobal = globalReceiver();

/**
 * A function taken from its global is called without an object, or with the global itself.
 * @param {unknown} object
 */
function assertGlobal(object) {
  if (object === undefined || object === null || object === globalThis || object === receiverOfGlobal) return;
  throw new TypeError('Illegal invocation');
}

for (const [name, value] of Object.entries(interfaces)) {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}
Object.defineProperties(globalThis, Object.getOwnPropertyDescriptors(attribute));
