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

const { get: getIndexedDB } = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(attribute, 'indexedDB'));

/**
 * A function taken from its global is called without an object, or with the global itself. In a vm context, which is where
 * some test runners load modules, it may also be the object that the context was made from, or a proxy of it: whatever has
 * the attribute as its own stands for the global.
 * @param {unknown} object
 */
function assertGlobal(object) {
  if (object === undefined || object === null || object === globalThis) return;
  if (Object.getOwnPropertyDescriptor(Object(object), 'indexedDB')?.get === getIndexedDB) return;
  throw new TypeError('Illegal invocation');
}

for (const [name, value] of Object.entries(interfaces)) {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}
Object.defineProperties(globalThis, Object.getOwnPropertyDescriptors(attribute));
