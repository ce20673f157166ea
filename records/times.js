'use strict';

/** How the times of a write are packed: flags that say which there are, then the times, little-endian. As src/operations.rs reads them. */

const HAS_TIMESTAMP = 1;
const HAS_TTL = 2;
const HAS_EXPIRY = 4;

/**
 * @param {number | bigint | undefined} ts
 * @param {import('../common/options.js').Expiry | undefined} expiry
 */
function timeFlags(ts, expiry) {
  return (ts === undefined ? 0 : HAS_TIMESTAMP) | expiryFlag(expiry);
}

/** @param {import('../common/options.js').Expiry | undefined} expiry */
function expiryFlag(expiry) {
  if (expiry === undefined) return 0;
  return 'ttl' in expiry ? HAS_TTL : HAS_EXPIRY;
}

/** @param {import('../common/options.js').Expiry} expiry */
function expiryTime(expiry) {
  return 'ttl' in expiry ? expiry.ttl : expiry.expiry;
}

module.exports = { expiryTime, timeFlags };
