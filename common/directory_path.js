'use strict';

/** Where a database is: a path, or a URL with the scheme file:. */

const path = require('node:path');
const { fileURLToPath } = require('node:url');
const { invalid } = require('./errors.js');
const { expected } = require('./options.js');

/**
 * @param {string} name
 * @param {any} place
 * @param {string} [wanted]
 * @returns {string} an absolute path
 */
function checkDirectory(name, place, wanted = 'the path of a directory') {
  if (isUrl(place)) return checkDirectory(name, pathOf(name, place), wanted);
  if (typeof place !== 'string' || place === '' || place.includes('\0')) throw expected(name, place, wanted);
  return path.resolve(place);
}

/**
 * URLs of other realms, such as jsdom's, are no instances of ours; Node's own functions take these for one, too.
 *
 * @param {any} place
 * @returns {boolean}
 */
function isUrl(place) {
  return place !== null && typeof place === 'object' && typeof place.href === 'string' && typeof place.protocol === 'string';
}

/**
 * @param {string} name
 * @param {any} place a URL
 * @returns {string}
 */
function pathOf(name, place) {
  if (place.protocol !== 'file:') throw invalid(name, `expected a URL with the scheme file:, got ${place.href}`);
  try {
    return fileURLToPath(String(place.href));
  } catch (error) {
    throw invalid(name, /** @type {Error} */ (error).message);
  }
}

module.exports = { checkDirectory, isUrl };
