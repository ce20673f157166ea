'use strict';

// Opening, upgrading, closing and deleting: https://w3c.github.io/IndexedDB/#opening, #closing-connection, #deleting-a-database,
// #upgrade-transaction-steps, #connection-queues

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { IDBFactory, IDBVersionChangeEvent, forceCloseDatabase } = require('../../index.js');
const { domException, finished, openDatabase, result } = require('./support.js');

/**
 * Writes down every event of an open or delete request.
 * @param {string[]} log
 * @param {string} name
 * @param {IDBOpenDBRequest} request
 */
function follow(log, name, request) {
  for (const type of ['blocked', 'upgradeneeded']) {
    request.addEventListener(type, ({ oldVersion, newVersion }) => log.push(`${name} ${type} ${oldVersion} ${newVersion}`));
  }
  request.addEventListener('success', () => log.push(`${name} success`));
  request.addEventListener('error', () => log.push(`${name} ${request.error.name}`));
  return request;
}

/**
 * @param {string[]} log
 * @param {string} name
 * @param {IDBDatabase} db
 * @param {() => void} [react]
 */
function followVersionChange(log, name, db, react) {
  db.onversionchange = ({ oldVersion, newVersion }) => {
    log.push(`${name} versionchange ${oldVersion} ${newVersion}`);
    react?.();
  };
}

test('2.8.2 connection queues: requests of one name are processed in order, those of another name do not wait', async () => {
  const factory = new IDBFactory();
  const log = [];
  const blocker = await openDatabase(undefined, { factory, name: 'a' });
  const upgrade = follow(log, 'upgrade', factory.open('a', 2));
  const plain = follow(log, 'plain', factory.open('a'));
  const deletion = follow(log, 'delete', factory.deleteDatabase('a'));
  const other = follow(log, 'other', factory.open('b'));
  const isBlocked = new Promise((resolve) => { upgrade.addEventListener('blocked', resolve); });
  await result(other);
  await isBlocked;
  for (const request of [upgrade, plain]) request.addEventListener('success', () => request.result.close());
  blocker.close();
  await result(deletion);
  assert.equal(plain.result.version, 2);
  assert.deepEqual(log.filter((line) => !line.startsWith('other')), [
    'upgrade blocked 1 2', 'upgrade upgradeneeded 1 2', 'upgrade success', 'plain success', 'delete success',
  ]);
});

test('5.1 open: versionchange goes to every open connection, in the order they were opened, before blocked', async () => {
  const factory = new IDBFactory();
  const log = [];
  const all = [];
  for (const name of ['first', 'second', 'third']) {
    const db = await openDatabase(undefined, { factory, version: 3 });
    followVersionChange(log, name, db, name === 'third' ? undefined : () => db.close());
    all.push(db);
  }
  const request = follow(log, 'open', factory.open('database', 7));
  request.addEventListener('blocked', () => all[2].close());
  await result(request);
  assert.deepEqual(log, [
    'first versionchange 3 7', 'second versionchange 3 7', 'third versionchange 3 7', 'open blocked 3 7',
    'open upgradeneeded 3 7', 'open success',
  ]);
});

test('5.1 open: a connection that an earlier versionchange listener closed is not told', async () => {
  const factory = new IDBFactory();
  const log = [];
  const first = await openDatabase(undefined, { factory });
  const second = await openDatabase(undefined, { factory });
  followVersionChange(log, 'first', first, () => { first.close(); second.close(); });
  followVersionChange(log, 'second', second);
  await result(follow(log, 'open', factory.open('database', 2)));
  assert.deepEqual(log, ['first versionchange 1 2', 'open upgradeneeded 1 2', 'open success']);
});

test('5.1 open: the same and no version need no version change; a lower one is a VersionError that names both', async () => {
  const factory = new IDBFactory();
  const log = [];
  const db = await openDatabase(undefined, { factory, version: 5 });
  followVersionChange(log, 'db', db);
  assert.equal((await result(factory.open('database', 5))).version, 5);
  assert.equal((await result(factory.open('database'))).version, 5);
  const lower = factory.open('database', 4);
  await assert.rejects(result(lower), domException('VersionError'));
  assert.match(lower.error.message, /4.*5|5.*4/);
  assert.deepEqual(log, []);
});

test('5.1 open: a failed request has an error, an undefined result and is done; its error event bubbles and is cancelable', async () => {
  const factory = new IDBFactory();
  (await openDatabase(undefined, { factory, version: 2 })).close();
  const request = factory.open('database', 1);
  const event = await new Promise((resolve) => { request.onerror = resolve; });
  assert.deepEqual([event.bubbles, event.cancelable, request.readyState, request.result], [true, true, 'done', undefined]);
  assert.equal(request.error.name, 'VersionError');
  assert.equal(request.transaction, null);
});

test('5.3 delete: a connection that was opened right behind an upgrade is told, too', async () => {
  const factory = new IDBFactory();
  const log = [];
  const close = (name) => ({ target }) => {
    log.push(`${name} success`);
    followVersionChange(log, name, target.result, () => target.result.close());
  };
  factory.open('d', 2).onsuccess = close('first');
  factory.open('d').onsuccess = close('second');
  await result(follow(log, 'delete', factory.deleteDatabase('d')));
  assert.deepEqual(log, ['first success', 'second success', 'first versionchange 2 null', 'second versionchange 2 null', 'delete success']);
});

test('5.2 close: it is pending until the transactions are finished; a version change waits for that', async () => {
  const factory = new IDBFactory();
  const log = [];
  const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
  const transaction = db.transaction('s', 'readwrite');
  const store = transaction.objectStore('s');
  db.close();
  db.close();
  assert.throws(() => db.transaction('s'), domException('InvalidStateError'));
  store.put('first', 1).onsuccess = () => {
    store.put('second', 2).onsuccess = () => log.push('second put');
  };
  transaction.oncomplete = () => log.push('complete');
  await result(follow(log, 'open', factory.open('database', 2)));
  assert.deepEqual(log, ['open blocked 1 2', 'second put', 'complete', 'open upgradeneeded 1 2', 'open success']);
});

test('5.2 close: a closed connection does not get versionchange, and does not block', async () => {
  const factory = new IDBFactory();
  const log = [];
  const db = await openDatabase(undefined, { factory });
  followVersionChange(log, 'db', db);
  db.close();
  await result(follow(log, 'delete', factory.deleteDatabase('database')));
  assert.deepEqual(log, ['delete success']);
});

test('5.2 close, forced: transactions are aborted with an AbortError, an upgrade fails its request, then close is fired once', async () => {
  const factory = new IDBFactory();
  const log = [];
  const request = follow(log, 'open', factory.open('database'));
  request.onupgradeneeded = () => {
    const { result: db, transaction } = request;
    transaction.onabort = () => log.push(`abort ${transaction.error.name}`);
    db.onclose = () => log.push('close');
    forceCloseDatabase(db);
    forceCloseDatabase(db);
  };
  await assert.rejects(result(request), domException('AbortError'));
  await new Promise((resolve) => { setImmediate(resolve); });
  assert.deepEqual(log.filter((line) => !line.startsWith('open ')), ['abort AbortError', 'close']);
  assert.deepEqual(await factory.databases(), []);
});

test('5.2 close, forced: a commit that is on its way completes', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
  const transaction = db.transaction('s', 'readwrite', { durability: 'strict' });
  const done = finished(transaction);
  transaction.objectStore('s').put('kept', 1);
  transaction.commit();
  await done;
  const closed = new Promise((resolve) => { db.onclose = resolve; });
  forceCloseDatabase(db);
  const event = await closed;
  assert.deepEqual([event.type, event.bubbles, event.cancelable, event.target], ['close', false, false, db]);
  const again = await openDatabase(undefined, { factory });
  assert.equal(await result(again.transaction('s').objectStore('s').get(1)), 'kept');
});

test('5.3 delete: a database that does not exist is deleted too, from version 0', async () => {
  const request = new IDBFactory().deleteDatabase('none');
  const event = await new Promise((resolve) => { request.onsuccess = resolve; });
  assert.ok(event instanceof IDBVersionChangeEvent);
  assert.deepEqual([event.type, event.oldVersion, event.newVersion, event.bubbles, event.cancelable], ['success', 0, null, false, false]);
  assert.deepEqual([request.result, request.error, request.readyState, request.source, request.transaction], [undefined, null, 'done', null, null]);
});

test('5.3 delete: versionchange with a null version, blocked while a connection stays, and nothing is left of the data', async () => {
  const factory = new IDBFactory();
  const log = [];
  const db = await openDatabase((created) => created.createObjectStore('s').put('old', 1), { factory, version: 4 });
  followVersionChange(log, 'db', db);
  const deletion = follow(log, 'delete', factory.deleteDatabase('database'));
  deletion.addEventListener('blocked', () => db.close());
  await result(deletion);
  const again = await openDatabase((created, _, event) => {
    log.push(`again ${event.oldVersion} ${event.newVersion}`);
    assert.equal(created.objectStoreNames.length, 0);
    created.createObjectStore('s');
  }, { factory });
  assert.equal(await result(again.transaction('s').objectStore('s').count()), 0);
  assert.deepEqual(log, ['db versionchange 4 null', 'delete blocked 4 null', 'delete success', 'again 0 1']);
});

test('5.7 upgrade: the connection has the new version and the transaction all stores, in mode versionchange', async () => {
  const factory = new IDBFactory();
  (await openDatabase((db) => db.createObjectStore('old'), { factory, version: 2 })).close();
  const request = factory.open('database', 9);
  await new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onupgradeneeded = (event) => {
      const { result: db, transaction } = request;
      assert.deepEqual([event.type, event.oldVersion, event.newVersion, event.bubbles, event.cancelable], ['upgradeneeded', 2, 9, false, false]);
      assert.deepEqual([db.version, transaction.mode, transaction.durability, transaction.error], [9, 'versionchange', 'default', null]);
      db.createObjectStore('new');
      assert.deepEqual([...transaction.objectStoreNames], ['new', 'old']);
      assert.deepEqual([...db.objectStoreNames], ['new', 'old']);
      const names = db.objectStoreNames;
      db.deleteObjectStore('old');
      assert.deepEqual([...names], ['new', 'old'], 'a list of names is as it was when it was asked for');
    };
    request.onsuccess = resolve;
  });
  assert.deepEqual([...request.result.objectStoreNames], ['new']);
});

test('5.7 upgrade: success comes after complete; the request has the transaction until then', async () => {
  const log = [];
  const request = new IDBFactory().open('d');
  request.onupgradeneeded = () => {
    const { transaction } = request;
    transaction.oncomplete = () => log.push(`complete ${request.transaction === transaction} ${request.readyState}`);
  };
  request.onsuccess = () => log.push(`success ${request.transaction}`);
  await result(request);
  assert.deepEqual(log, ['complete true done', 'success null']);
});

test('5.7 upgrade: an exception in a listener aborts it', async (t) => {
  const thrown = new Error('mine');
  const reported = [];
  t.mock.method(globalThis, 'queueMicrotask', (callback) => { try { callback(); } catch (error) { reported.push(error); } });
  globalThis.reportError = (error) => reported.push(error);
  t.after(() => { delete globalThis.reportError; });
  const factory = new IDBFactory();
  const request = factory.open('d');
  const aborted = new Promise((resolve) => {
    request.onupgradeneeded = () => {
      request.transaction.onabort = () => resolve(request.transaction);
      throw thrown;
    };
  });
  await assert.rejects(result(request), domException('AbortError'));
  assert.equal((await aborted)?.error?.name ?? 'AbortError', 'AbortError');
  assert.deepEqual(reported, [thrown]);
  assert.deepEqual(await factory.databases(), []);
});

test('5.8 abort an upgrade: the request is pending again when its transaction is gone, then fails', async () => {
  const factory = new IDBFactory();
  const log = [];
  const request = factory.open('d', 3);
  let connection;
  request.onupgradeneeded = () => {
    connection = request.result;
    connection.createObjectStore('s');
    request.transaction.onabort = () => log.push(`abort ${connection.version} ${connection.objectStoreNames.length} ${request.readyState}`);
    request.transaction.abort();
  };
  request.onerror = () => log.push(`error ${request.readyState} ${request.transaction} ${request.result}`);
  await assert.rejects(result(request), domException('AbortError'));
  assert.deepEqual(log, ['abort 0 0 done', 'error done null undefined']);
});

test('2.1 database: during a version change no other transaction, and no more version changes outside it', async () => {
  let connection;
  const db = await openDatabase((created) => {
    connection = created;
    assert.throws(() => created.transaction(['none']), domException('InvalidStateError'));
  });
  assert.equal(db, connection);
  assert.throws(() => db.createObjectStore('s'), domException('InvalidStateError'));
  assert.throws(() => db.deleteObjectStore('s'), domException('InvalidStateError'));
});

test('2.7.3 upgrade transactions: their methods need an active transaction', async () => {
  const request = new IDBFactory().open('d');
  await new Promise((resolve) => {
    request.onupgradeneeded = () => {
      const { result: db, transaction } = request;
      const store = db.createObjectStore('s');
      const index = store.createIndex('i', 'x');
      let alive = true;
      setTimeout(() => {
        for (const call of [
          () => db.createObjectStore('t'), () => db.deleteObjectStore('s'), () => store.createIndex('j', 'x'), () => store.deleteIndex('i'),
          () => { store.name = 't'; }, () => { index.name = 'j'; },
        ]) assert.throws(call, domException('TransactionInactiveError'));
        alive = false;
        transaction.oncomplete = resolve;
      });
      const keepAlive = () => { if (alive) store.get(0).onsuccess = keepAlive; };
      keepAlive();
    };
  });
  request.result.close();
});

test('4.3 databases(): names and versions of what is committed, not of what is being upgraded', async () => {
  const factory = new IDBFactory();
  (await openDatabase(undefined, { factory, name: 'b', version: 2 })).close();
  (await openDatabase(undefined, { factory, name: 'a', version: 2 ** 53 - 1 })).close();
  const request = factory.open('b', 3);
  let during;
  request.onupgradeneeded = () => { during = factory.databases(); };
  await result(request);
  assert.deepEqual(new Set((await during).map(({ name }) => name)), new Set(['a', 'b']));
  const after = await factory.databases();
  assert.deepEqual(after.sort((x, y) => (x.name < y.name ? -1 : 1)), [{ name: 'a', version: 2 ** 53 - 1 }, { name: 'b', version: 3 }]);
  for (const each of after) assert.equal(Object.getPrototypeOf(each), Object.prototype);
});

test('versionchange is not fired at a connection that a listener of another one has closed', async () => {
  const factory = new IDBFactory();
  const first = await openDatabase(undefined, { factory, version: 1 });
  const second = await openDatabase(undefined, { factory, version: 1 });
  const log = [];
  first.onversionchange = () => {
    log.push('first');
    first.close();
    second.close();
  };
  second.onversionchange = () => log.push('second');
  (await openDatabase(() => log.push('upgrade'), { factory, version: 2 })).close();
  assert.deepEqual(log, ['first', 'upgrade']);
});
