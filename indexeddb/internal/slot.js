'use strict';

/**
 * A class whose instances are the objects given to it: what a subclass declares becomes a slot of any object.
 *
 * It holds what is behind the objects of an interface. They need not be made by the constructor of their interface, which would make
 * them native event targets: the lists of those take more time and memory than all else of a request, and are never used.
 *
 * Each slot is a class that is written out. Classes that come from one and the same function share what the engine learns about their code, and
 * their slots, which have different names, would be looked up by name at each access.
 */
class Slotted {
  /** @param {object} object */
  constructor(object) {
    return object;
  }
}

module.exports = { Slotted };
