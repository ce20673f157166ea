'use strict';

/** Loads modules in a vm context, as test runners do: the native library alone is shared with the realm outside. */

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

/** Globals that such a context is given: the library takes nothing but these from a global object, which may be a browser's. */
const GIVEN = ['Buffer', 'DOMException', 'Event', 'EventTarget', 'process'];

/** @param {vm.Context} context */
function loaderOf(context) {
  const loaded = new Map();
  return function load(file) {
    if (path.extname(file) === '.node') return require(file);
    if (loaded.has(file)) return loaded.get(file).exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const { resolve } = createRequire(file);
    const requireHere = (name) => (path.isAbsolute(resolve(name)) ? load(resolve(name)) : require(name));
    const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
    vm.runInContext(source, context, { filename: file })(module.exports, requireHere, module, file, path.dirname(file));
    return module.exports;
  };
}

module.exports = { GIVEN, loaderOf };
