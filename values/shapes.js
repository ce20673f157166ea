'use strict';

// The names of objects, as a tree: a shape is reached from that of one name less. Names may be data, of any number and length, so the tree
// has limits in every direction; what it has no place for is made stepwise. A place is taken from a name only for one in ADMITTED_OF that
// asked for it: names that come once do not drive out those that come again and again, nor cost much themselves.

const { append, setProperty } = require('../common/intrinsics.js');

const FunctionConstructor = Function;

/** All shapes together. */
const SHAPES_MAX = 4096;
/** The bytes of their names. */
const NAME_BYTES_MAX = 1 << 18;
/** How many names may follow the same ones. */
const CHILDREN_MAX = 32;
/** Names of a shape. */
const NAMES_MAX = 64;
/** Among so many names that find all places taken, one gets a place. */
const ADMITTED_OF = 16;
/** After so many names that found the tree full it begins anew. */
const REFUSED_MAX = SHAPES_MAX;
/** A shape met so often gets a function of its own that makes its objects. */
const USES_BEFORE_COMPILING = 32;

/** @typedef {(values: any[], first: number) => object} Make */

class Shape {
  #tree;
  #parent;
  #name;
  /** How many names it has. @type {number} */
  #depth;
  /** The last name as it is stored, tag and length included. */
  nameBytes;
  /** The one met last is first. @type {Shape[]} */
  children = [];
  /** Names that found no place among the children. */
  #refused = 0;
  #uses = 0;
  /** In the order of the values; until they are compiled. @type {string[] | null} */
  #names = null;
  /** @type {Make | null} */
  #compiled = null;

  /**
   * @param {ShapeTree} tree
   * @param {Shape | null} parent null: the root, without names
   * @param {string} name
   * @param {Uint8Array} nameBytes
   */
  constructor(tree, parent, name, nameBytes) {
    this.#tree = tree;
    this.#parent = parent;
    this.#name = name;
    this.#depth = parent === null ? 0 : parent.#depth + 1;
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
      if (index > 0) this.#toFront(index);
      return child;
    }
    return undefined;
  }

  /** @param {number} index */
  #toFront(index) {
    const { children } = this;
    const child = children[index];
    for (let place = index; place > 0; place -= 1) children[place] = children[place - 1];
    children[0] = child;
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
   * True if a shape with one name more, of so many bytes, may be added.
   * @param {number} size
   */
  admits(size) {
    if (this.#depth === NAMES_MAX || !this.#tree.admits(size)) return false;
    if (this.children.length < CHILDREN_MAX) return true;
    this.#refused += 1;
    return this.#refused % ADMITTED_OF === 0;
  }

  /**
   * A shape with one name more, in place of the one that has been met least recently if there are many.
   * @param {string} name
   * @param {Uint8Array} nameBytes
   */
  add(name, nameBytes) {
    const { children } = this;
    if (children.length === CHILDREN_MAX) /** @type {Shape} */ (children.pop()).#forget();
    const child = new Shape(this.#tree, this, name, nameBytes);
    this.#tree.added(nameBytes.length);
    append(children, child);
    this.#toFront(children.length - 1);
    return child;
  }

  /** Takes it and those below it out of the count. */
  #forget() {
    this.#tree.forgotten(this.nameBytes.length);
    for (const child of this.children) child.#forget();
  }

  /**
   * An object of this shape with the values from `first` on.
   * @param {any[]} values
   * @param {number} first
   */
  make(values, first) {
    if (this.#compiled !== null) return this.#compiled(values, first);
    const names = (this.#names ??= this.#path());
    this.#uses += 1;
    if (this.#uses === USES_BEFORE_COMPILING) this.#compile(names);
    return makeStepwise(names, values, first);
  }

  /** @param {string[]} names */
  #compile(names) {
    this.#compiled = compile(names);
    if (this.#compiled !== null) this.#names = null;
  }

  #path() {
    /** @type {string[]} */
    const names = [];
    for (let shape = /** @type {Shape} */ (this); shape.#parent !== null; shape = shape.#parent) append(names, shape.#name);
    return names.reverse();
  }
}

class ShapeTree {
  root = new Shape(this, null, '', new Uint8Array(0));
  shapeCount = 0;
  nameBytes = 0;
  #refused = 0;

  /** @param {number} size of a name */
  admits(size) {
    if (this.shapeCount < SHAPES_MAX && this.nameBytes + size <= NAME_BYTES_MAX) return true;
    this.#refused += 1;
    // Objects that are being read go on with the old one.
    if (this.#refused === REFUSED_MAX && tree === this) tree = new ShapeTree();
    return false;
  }

  /** @param {number} size */
  added(size) {
    this.shapeCount += 1;
    this.nameBytes += size;
  }

  /** @param {number} size */
  forgotten(size) {
    this.shapeCount -= 1;
    this.nameBytes -= size;
  }
}

/**
 * @param {string[]} names
 * @param {any[]} values
 * @param {number} first
 */
function makeStepwise(names, values, first) {
  const made = {};
  for (let i = 0; i < names.length; i += 1) setProperty(made, names[i], values[first + i]);
  return made;
}

/**
 * A literal with these names: ten times faster than one property after the other. Null where the runtime makes no code from
 * strings.
 * @param {string[]} names
 * @returns {Make | null}
 */
function compile(names) {
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

let tree = new ShapeTree();

/** What objects are known so far. */
function currentTree() {
  return tree;
}

module.exports = { NAMES_MAX, currentTree };
