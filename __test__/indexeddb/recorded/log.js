'use strict';

// What happened, in lanes. Within a lane (a transaction, an open request, a connection) the standard fixes the order; that of two
// lanes it leaves open, unless the transactions overlap, which the interpreter checks by itself.

class Log {
  /** @type {Map<string, string[]>} */
  #lanes = new Map();
  /** @type {string[]} */
  #text = [];

  /**
   * @param {string} lane
   * @param {string} line
   */
  write(lane, line) {
    const lines = this.#lanes.get(lane);
    if (lines) lines.push(line);
    else this.#lanes.set(lane, [line]);
  }

  /** @param {string} title */
  endPhase(title) {
    this.#text.push(title);
    for (const lane of [...this.#lanes.keys()].sort()) {
      this.#text.push(` ${lane}`);
      for (const line of /** @type {string[]} */ (this.#lanes.get(lane))) this.#text.push(`  ${line}`);
    }
    this.#lanes.clear();
  }

  text() {
    return `${this.#text.join('\n')}\n`;
  }
}

module.exports = { Log };
