'use strict';

// Short strings are read as they are stored, however often they have been met, and whatever else is remembered in their place.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SHARED_MAX, sharedString } = require('../../values/shared_strings.js');

/** @param {string} text in Latin-1 */
const read = (text) => sharedString(Buffer.from(`..${text}.`, 'latin1'), 2, text.length);

test('strings of all lengths and characters are read as they are', () => {
  for (let length = 0; length <= SHARED_MAX; length += 1) {
    const text = String.fromCharCode(...Array.from({ length }, (_, i) => (length * 53 + i * 37) & 0xff));
    for (let times = 0; times < 4; times += 1) assert.equal(read(text), text);
  }
});

test('strings with the same hash are told apart', () => {
  for (let times = 0; times < 6; times += 1) for (const text of ['Aa', 'BB', 'AaAa', 'BBBB', 'AaBB', 'BBAa']) assert.equal(read(text), text);
});

test('more strings than are remembered', () => {
  for (let round = 0; round < 3; round += 1) {
    for (let number = 0; number < 20_000; number += 1) {
      const text = `n${number}`;
      if (read(text) !== text || read('tag') !== 'tag') assert.fail(text);
    }
  }
});
