'use strict';

const { markAsUntransferable } = require('node:worker_threads');

/**
 * Marks memory that several values have parts of, as Node does with that of its small Buffers: whoever hands one of them over to another thread must not
 * take the others' bytes away.
 *
 * @param {Buffer} bytes
 * @returns {Buffer} the same
 */
function shared(bytes) {
  markAsUntransferable(bytes.buffer);
  return bytes;
}

module.exports = { shared };
