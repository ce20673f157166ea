'use strict';

/** Names that may have been meant. */

/** A name of which more than this part is different is another name. */
const DIFFERENT_MAX = 0.4;

/**
 * @param {string} written
 * @param {readonly string[]} names
 * @returns {string | undefined} the one that is most like it, if one is
 */
function nearest(written, names) {
  const distances = names.map((name) => distance(written.toLowerCase(), name.toLowerCase()) / Math.max(written.length, name.length));
  const least = Math.min(...distances);
  return least <= DIFFERENT_MAX ? names[distances.indexOf(least)] : undefined;
}

/**
 * @param {string} first
 * @param {string} second
 * @returns {number} letters to insert, remove, replace or swap with their neighbour
 */
function distance(first, second) {
  /** @type {number[][]} of each beginning of `first` from each beginning of `second` */
  const rows = [Array.from({ length: second.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= first.length; row += 1) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= second.length; column += 1) {
      const replaced = rows[row - 1][column - 1] + (first[row - 1] === second[column - 1] ? 0 : 1);
      const isSwap = row > 1 && column > 1 && first[row - 1] === second[column - 2] && first[row - 2] === second[column - 1];
      const swapped = isSwap ? rows[row - 2][column - 2] + 1 : Infinity;
      current.push(Math.min(rows[row - 1][column] + 1, current[column - 1] + 1, replaced, swapped));
    }
  }
  return rows[first.length][second.length];
}

module.exports = { nearest };
