'use strict';

// The names of objects, as a tree: a shape is reached from that of one name less.

const { defineOwn } = require('./slots.js');

const objectPrototype = Object.prototype;
const FunctionConstructor = Function;

/** All shapes together; values whose names are data are read without them. */
const SHAPES_MAX = 4096;
/** How many names may follow the same ones. */
const CHILDREN_MAX = 32;
/** A shape met so often gets a function of its own that makes its objects. */
const USES_BEFORE_COMPILING = 32;
const COMPILED_NAMES_MAX = 64;

/** @typedef {(values: any[], first: number) => object} Make */

let shapeCount = 0;

class Shape {
  /** @type {string[]} */
  names;
  /** The last name as it is stored, tag and length included. */
  nameBytes;
  /** The one met last is first. @type {Shape[]} */
  children = [];
  #uses = 0;
  /** @type {Make | null} */
  #compiled = null;

  /**
   * @param {string[]} names
   * @param {Uint8Array} nameBytes
   */
  constructor(names, nameBytes) {
    this.names = names;
    this.nameBytes = nameBytes;
  }

  /**
   * The shape with the name that stands at `position` too.
   * @param {Uint8Array} bytes
   * @param {number} position
   */
  nextAt(bytes, position) {
    const { children } = this;
    for (let index = 0; index < children.length; index += 1) {
      const child = children[index];
      if (!child.isAt(bytes, position)) continue;
      if (index > 0) {
        children[index] = children[0];
        children[0] = child;
      }
      return child;
    }
    return undefined;
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} position
   */
  isAt(bytes, position) {
    const { nameBytes } = this;
    for (let i = 0; i < nameBytes.length; i += 1) if (nameBytes[i] !== bytes[position + i]) return false;
    return true;
  }

  /**
   * A shape with one name more; null if there are too many.
   * @param {string} name
   * @param {Uint8Array} nameBytes
   */
  add(name, nameBytes) {
    if (shapeCount >= SHAPES_MAX || this.children.length >= CHILDREN_MAX) return null;
    shapeCount += 1;
    const child = new Shape([...this.names, name], nameBytes);
    this.children.unshift(child);
    return child;
  }

  /**
   * An object of this shape with the values from `first` on.
   * @param {any[]} values
   * @param {number} first
   */
  make(values, first) {
    if (this.#compiled !== null) return this.#compiled(values, first);
    this.#uses += 1;
    if (this.#uses === USES_BEFORE_COMPILING) this.#compiled = compile(this.names);
    return makeStepwise(this.names, values, first);
  }
}

/**
 * Plain assignment is faster than definition, and the same where no prototype knows the name.
 * @param {string[]} names
 * @param {any[]} values
 * @param {number} first
 */
function makeStepwise(names, values, first) {
  /** @type {Record<string, unknown>} */
  const made = {};
  for (let i = 0; i < names.length; i += 1) {
    if (names[i] in objectPrototype) defineOwn(made, names[i], values[first + i]);
    else made[names[i]] = values[first + i];
  }
  return made;
}

/**
 * A literal with these names: ten times faster than one property after the other. Null where the runtime makes no code from
 * strings.
 * @param {string[]} names
 * @returns {Make | null}
 */
function compile(names) {
  if (names.length > COMPILED_NAMES_MAX) return null;
  const properties = names.map((name, i) => `${quoted(name)}: values[first + ${i}]`);
  try {
    return /** @type {any} */ (FunctionConstructor)('values', 'first', `'use strict'; return { ${properties.join(', ')} };`);
  } catch {
    return null;
  }
}

/** @param {string} name */
function quoted(name) {
  const text = JSON.stringify(name);
  // As a computed name it is one like any other.
  return name === '__proto__' ? `[${text}]` : text;
}

const rootShape = new Shape([], new Uint8Array(0));

module.exports = { rootShape };
