'use strict';

/** A class whose instances are the objects given to it: what a subclass declares becomes a slot of any object. */
class Given {
  /** @param {object} object */
  constructor(object) {
    return object;
  }
}

/**
 * A slot that holds the state behind the objects of an interface. They need not be made by the constructor of their interface, which would make
 * them native event targets: the lists of those take more time and memory than all else of a request, and are never used.
 * @template State
 * @returns {{ give: (object: object, state: State) => void, stateOf: (object: any) => State }} stateOf throws TypeError for other objects
 */
function defineSlot() {
  class Slotted extends Given {
    /** @type {State} */
    #state;

    /**
     * @param {object} object
     * @param {State} state
     */
    constructor(object, state) {
      super(object);
      this.#state = state;
    }

    /** @param {any} object */
    static stateOf(object) {
      return /** @type {Slotted} */ (object).#state;
    }
  }
  return { give: (object, state) => void new Slotted(object, state), stateOf: Slotted.stateOf };
}

module.exports = { defineSlot };
