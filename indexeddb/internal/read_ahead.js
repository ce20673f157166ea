'use strict';

// Cursors read ahead: a step brings the records behind it too, and the steps that follow are answered with them, until the transaction
// has been asked to write. Within a transaction nobody else changes what a cursor sees.

/** @typedef {import('./response.js').Response} Response */

/** A cursor that goes on once may stop soon. */
const COUNT_AT_FIRST = 7;
/** What comes with a step is so many times more than with the one before. */
const GROWTH = 4;
const COUNT_MAX = 127;

class ReadAhead {
  /** What is behind the cursor's position. @type {Response | null} */
  #records = null;
  /** How often the transaction had been asked to write when the last step was. */
  #writes;
  #count = COUNT_AT_FIRST;

  /** @param {number} writes of the transaction when the cursor is opened */
  constructor(writes) {
    this.#writes = writes;
  }

  /**
   * For a step that is being asked for: the answer, with those to the steps behind it; null if it has to be sent.
   * @param {number} writes of the transaction up to now
   */
  take(writes) {
    const records = this.#records;
    this.#records = null;
    if (writes === this.#writes) return records;
    this.#writes = writes;
    this.#count = 0;
    return null;
  }

  /** How many records to bring along with a step that is sent. A cursor that writes between its steps would have no use for them. */
  grow() {
    const count = this.#count;
    this.#count = count === 0 ? COUNT_AT_FIRST : Math.min(count * GROWTH, COUNT_MAX);
    return count;
  }

  /** @param {Response} records that are its own */
  keep(records) {
    this.#records = records;
  }
}

module.exports = { ReadAhead };
