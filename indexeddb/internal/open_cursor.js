'use strict';

const { IDBCursor } = require('../cursor.js');
const { IDBCursorWithValue } = require('../cursor_with_value.js');
const { assertActive } = require('./checks.js');
const { Cursor } = require('./iterate.js');
const operations = require('./operations.js');
const { convertToRange } = require('./range.js');
const { assertExists, createRequest, objectOf, toDirection } = require('./source.js');
const { INTERNAL } = require('./webidl.js');

/**
 * openCursor() and openKeyCursor() of both interfaces: https://w3c.github.io/IndexedDB/#dom-idbobjectstore-opencursor
 * @param {import('./source.js').SourceHandle} handle
 * @param {unknown} query
 * @param {unknown} direction
 * @param {boolean} keyOnly
 */
function openCursor(handle, query, direction, keyOnly) {
  const cursorDirection = toDirection(direction);
  assertExists(handle);
  assertActive(handle.transaction);
  const range = convertToRange(query, false);
  const cursor = new Cursor(handle, range, cursorDirection, keyOnly);
  cursor.object = keyOnly ? new IDBCursor(INTERNAL, cursor) : new IDBCursorWithValue(INTERNAL, cursor);
  const operation = createRequest(handle, operations.iterate(cursor, null, null, 1, 0), cursor.read);
  cursor.request = operation.request;
  return objectOf(operation);
}

module.exports = { openCursor };
