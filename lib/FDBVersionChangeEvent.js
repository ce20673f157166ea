'use strict';

module.exports = require('../indexeddb/index.js').IDBVersionChangeEvent;
