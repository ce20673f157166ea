'use strict';

/** A power of two: a group of some hundred writes leaves most of them free. */
const SLOTS = 1024;
/** Keys are told apart by so many characters at their end. */
const LENGTH_MAX = 48;
const ASCII_MAX = 0x7f;
/** Makes a slot depend on all of the characters: the prime of the 32-bit FNV hashes. */
const PRIME = 0x0100_0193;
const UNKNOWN = -1;

/**
 * Which keys the writes of a group may concern. Groups follow each other, and each forgets the keys of the one before without clearing anything: a slot
 * holds the number of the group that marked it last.
 */
class TouchedKeys {
  #slots = new Uint32Array(SLOTS);
  #group = 0;
  #isAny = false;

  /** A new group begins. */
  begin() {
    // Once around, old marks come to life again: they only make a read wait for a group that it need not wait for.
    this.#group = (this.#group + 1) >>> 0;
    this.#isAny = false;
  }

  /** @param {string | Uint8Array} key */
  add(key) {
    const slot = slotOf(key);
    if (slot === UNKNOWN) this.#isAny = true;
    else this.#slots[slot] = this.#group;
  }

  /** Any key may be concerned. */
  addAny() {
    this.#isAny = true;
  }

  /**
   * @param {string | Uint8Array} key
   * @returns {boolean} false if no write of the group concerns it
   */
  mayHave(key) {
    if (this.#isAny) return true;
    const slot = slotOf(key);
    return slot === UNKNOWN || this.#slots[slot] === this.#group;
  }
}

/**
 * The same for a string and for its bytes in UTF-8.
 *
 * @param {string | Uint8Array} key
 * @returns {number} UNKNOWN if it takes an encoder to say
 */
function slotOf(key) {
  return typeof key === 'string' ? slotOfText(key) : slotOfBytes(key);
}

/** @param {string} key */
function slotOfText(key) {
  let hash = 0;
  for (let index = Math.max(0, key.length - LENGTH_MAX); index < key.length; index += 1) {
    const unit = key.charCodeAt(index);
    if (unit > ASCII_MAX) return UNKNOWN;
    hash = Math.imul(hash ^ unit, PRIME);
  }
  return fold(hash);
}

/** @param {Uint8Array} key */
function slotOfBytes(key) {
  let hash = 0;
  for (let index = Math.max(0, key.length - LENGTH_MAX); index < key.length; index += 1) hash = Math.imul(hash ^ key[index], PRIME);
  return fold(hash);
}

/** @param {number} hash */
function fold(hash) {
  return (hash ^ hash >>> 15) & (SLOTS - 1);
}

module.exports = { TouchedKeys };
