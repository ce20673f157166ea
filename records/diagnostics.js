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
 * The same once what is running now has ended: for those who cannot have a subscriber use the database in their midst.
 *
 * @param {Name} name
 * @param {() => object} message made at once, only if someone listens
 */
function publishSoon(name, message) {
  const found = channels.get(name);
  if (!found?.hasSubscribers) return;
  const made = message();
  Promise.resolve().then(() => found.publish(made));
}

/**
 * @param {string | undefined} path
 * @param {import('./native.js').Notice[]} [notices]
 */
function hear(path, notices = []) {
  for (const { type, ...details } of notices) publish(type, () => ({ path, ...details }));
}

module.exports = { hear, publish, publishSoon };
