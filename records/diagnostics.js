'use strict';

/** What happens, for who subscribes to the channels `flowdb:*` of `node:diagnostics_channel`. */

const { channel } = require('node:diagnostics_channel');

/** @typedef {'open' | 'close' | 'write' | 'read' | 'flush' | 'compaction' | 'stall-began' | 'stall-ended' | 'background-error' | 'resumed' | 'corruption'} Name */

/** @type {Name[]} */
const NAMES = [
  'open', 'close', 'write', 'read', 'flush', 'compaction', 'stall-began', 'stall-ended', 'background-error', 'resumed', 'corruption',
];
const channels = new Map(NAMES.map((name) => [name, channel(`flowdb:${name}`)]));

/**
 * @param {Name} name
 * @param {() => object} message made only if someone listens
 */
function publish(name, message) {
  const found = channels.get(name);
  if (found?.hasSubscribers) found.publish(message());
}

/**
 * @param {string | undefined} path
 * @param {({ type: Name } & Record<string, unknown>)[]} [notices] of the native side
 */
function hear(path, notices = []) {
  for (const { type, ...details } of notices) publish(type, () => ({ path, ...details }));
}

module.exports = { hear, publish };
