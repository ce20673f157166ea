'use strict';

// A value as one line of text, the same in every implementation. Identity counts: an object met again is `^n`, n its place in
// the order in which objects were met.

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** @param {unknown} value */
const brandOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

/** @param {ArrayBuffer} buffer */
const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => HEX[byte]).join('');

/** @param {unknown} value */
function primitive(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  return Object.is(value, -0) ? '-0' : String(value);
}

class Canonical {
  /** @type {Map<object, number>} */
  #met = new Map();

  /**
   * @param {any} value
   * @returns {string}
   */
  text(value) {
    if (typeof value !== 'object' || value === null) return primitive(value);
    const number = this.#met.get(value);
    if (number !== undefined) return `^${number}`;
    this.#met.set(value, this.#met.size);
    return this.#object(value);
  }

  /** @param {any} value */
  #object(value) {
    if (Array.isArray(value)) return this.#array(value);
    if (ArrayBuffer.isView(value)) return this.#view(/** @type {any} */ (value));
    const brand = brandOf(value);
    switch (brand) {
      case 'Object': return `{${this.#properties(value, Object.keys(value))}}`;
      case 'Date': return `Date(${value.getTime()})`;
      case 'RegExp': return `${value}@${value.lastIndex}`;
      case 'Boolean':
      case 'Number':
      case 'String':
      case 'BigInt': return `${brand}(${primitive(value.valueOf())})`;
      case 'Map': return `Map(${Array.from(value, ([key, item]) => `${this.text(key)}=>${this.text(item)}`).join()})`;
      case 'Set': return `Set(${Array.from(value, (item) => this.text(item)).join()})`;
      case 'ArrayBuffer': return `ArrayBuffer(${hexOf(value)})`;
      case 'Error': return `${value.name}(${Object.hasOwn(value, 'message') ? JSON.stringify(value.message) : ''})`;
      case 'DOMException': return `DOMException(${value.name})`;
      case 'Blob': return `Blob(${value.size},${value.type})`;
      case 'File': return `File(${value.name},${value.size},${value.type},${value.lastModified})`;
      case 'DOMStringList': return `[${Array.from(value, primitive).join()}]`;
      case 'IDBRecord': return `record(${this.text(value.key)} ${this.text(value.primaryKey)} ${this.text(value.value)})`;
      default: return `<${brand}>`;
    }
  }

  /** @param {any[]} value */
  #array(value) {
    const parts = [];
    for (let i = 0; i < value.length; i++) parts.push(Object.hasOwn(value, i) ? this.text(value[i]) : '');
    const names = Object.keys(value).filter((name) => !(Number(name) < value.length && String(Number(name)) === name));
    return `[${parts.join()}${names.length > 0 ? `;${this.#properties(value, names)}` : ''}]${parts.at(-1) === '' ? value.length : ''}`;
  }

  /**
   * @param {any} value
   * @param {string[]} names
   */
  #properties(value, names) {
    return names.map((name) => `${/^[a-z]+$/.test(name) ? name : JSON.stringify(name)}:${this.text(value[name])}`).join();
  }

  /** @param {DataView} value */
  #view(value) {
    return `${brandOf(value)}(${value.byteOffset},${value.byteLength},${this.text(value.buffer)})`;
  }
}

/** @param {unknown} value */
function canonical(value) {
  return new Canonical().text(value);
}

module.exports = { canonical };
