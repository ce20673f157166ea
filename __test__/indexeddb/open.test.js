'use strict';

// Opening, upgrading and deleting databases: https://w3c.github.io/IndexedDB/#opening

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { existsSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { IDBFactory } = require('../../index.js');
const { directory } = require('../fixture.js');
const { domException, finished, openDatabase, result } = require('./support.js');

test('a new database gets version 1 and an upgradeneeded event with versions 0 and 1', async () => {
  const seen = [];
  const db = await openDatabase((_, transaction, event) => seen.push(event.oldVersion, event.newVersion, transaction.mode));
  assert.deepEqual(seen, [0, 1, 'versionchange']);
  assert.equal(db.version, 1);
});

test('opening without a version takes the current one and does not upgrade', async () => {
  const factory = new IDBFactory();
  (await openDatabase(undefined, { factory, version: 7 })).close();
  const db = await openDatabase(() => assert.fail('upgraded'), { factory });
  assert.equal(db.version, 7);
});

test('a lower version is a VersionError', async () => {
  const factory = new IDBFactory();
  await openDatabase(undefined, { factory, version: 2 });
  await assert.rejects(openDatabase(undefined, { factory, version: 1 }), domException('VersionError'));
});

test('version 0, negative and fractional below 1 are a TypeError', () => {
  const factory = new IDBFactory();
  for (const version of [0, -1, 0.5, NaN, Infinity, 2 ** 53]) assert.throws(() => factory.open('d', version), TypeError);
});

test('versionchange comes before blocked, and the upgrade after the old connection is closed', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase(undefined, { factory, version: 1 });
  const order = [];
  db.onversionchange = (event) => order.push(`versionchange ${event.oldVersion} ${event.newVersion}`);
  const request = factory.open('database', 2);
  request.onblocked = (event) => {
    order.push(`blocked ${event.oldVersion} ${event.newVersion}`);
    db.close();
  };
  request.onupgradeneeded = () => order.push('upgradeneeded');
  await result(request);
  assert.deepEqual(order, ['versionchange 1 2', 'blocked 1 2', 'upgradeneeded']);
});

test('a connection closed in versionchange does not block', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase(undefined, { factory });
  db.onversionchange = () => db.close();
  const request = factory.deleteDatabase('database');
  request.onblocked = () => assert.fail('blocked');
  const event = await new Promise((resolve) => {
    request.onsuccess = resolve;
  });
  assert.equal(event.oldVersion, 1);
  assert.equal(event.newVersion, null);
  assert.equal(request.result, undefined);
  assert.deepEqual(await factory.databases(), []);
});

test('open and delete requests of a database are served in order', async () => {
  const factory = new IDBFactory();
  const order = [];
  const log = (name, request) => request.addEventListener('success', () => order.push(name));
  const first = factory.open('d', 1);
  log('open 1', first);
  first.addEventListener('success', () => first.result.close());
  log('delete', factory.deleteDatabase('d'));
  const second = factory.open('d', 3);
  log('open 3', second);
  const db = await result(second);
  assert.deepEqual(order, ['open 1', 'delete', 'open 3']);
  assert.equal(db.version, 3);
});

test('the request has a result and a transaction during upgradeneeded, and no transaction afterwards', async () => {
  const factory = new IDBFactory();
  const request = factory.open('d');
  assert.throws(() => request.result, domException('InvalidStateError'));
  assert.equal(request.readyState, 'pending');
  request.onupgradeneeded = () => {
    assert.equal(request.readyState, 'done');
    assert.equal(request.transaction.db, request.result);
  };
  await result(request);
  assert.equal(request.transaction, null);
  assert.equal(request.source, null);
});

test('an aborted upgrade fails the open request and leaves no database', async () => {
  const factory = new IDBFactory();
  const opening = openDatabase((_, transaction) => transaction.abort(), { factory });
  await assert.rejects(opening, domException('AbortError'));
  assert.deepEqual(await factory.databases(), []);
});

test('a connection closed during its upgrade fails the open request, but the upgrade stays', async () => {
  const factory = new IDBFactory();
  await assert.rejects(openDatabase((db) => db.close(), { factory }), domException('AbortError'));
  assert.deepEqual(await factory.databases(), [{ name: 'database', version: 1 }]);
});

test('events of the next request come after the last event of an aborted upgrade', async () => {
  const factory = new IDBFactory();
  const order = [];
  const request = factory.open('d');
  request.onupgradeneeded = () => request.transaction.abort();
  request.onerror = () => order.push('open error');
  const deletion = factory.deleteDatabase('d');
  deletion.onsuccess = () => order.push('deleted');
  await result(deletion);
  assert.deepEqual(order, ['open error', 'deleted']);
});

test('the process ends although the next request was answered during an upgrade', () => {
  const script = `
const factory = new (require(${JSON.stringify(require.resolve('../../index.js'))}).IDBFactory)();
factory.open('d').onsuccess = ({ target }) => target.result.close();
factory.deleteDatabase('d').onsuccess = () => console.log('deleted');`;
  const { stdout, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 10_000 });
  assert.equal(stdout, 'deleted\n');
  assert.equal(status, 0);
});

test('two factories are two worlds', async () => {
  const first = new IDBFactory();
  await openDatabase(undefined, { factory: first });
  assert.equal((await first.databases()).length, 1);
  assert.equal((await new IDBFactory().databases()).length, 0);
});

test('names may hold lone surrogates', async () => {
  const factory = new IDBFactory();
  await openDatabase((db) => db.createObjectStore('\udc00'), { factory, name: '\ud800' });
  assert.deepEqual(await factory.databases(), [{ name: '\ud800', version: 1 }]);
  const db = await openDatabase(undefined, { factory, name: '\ud800' });
  assert.equal(db.objectStoreNames[0], '\udc00');
});

test('databases() called on something else is a rejected promise', async () => {
  await assert.rejects(IDBFactory.prototype.databases.call({}), TypeError);
});

test('a directory that cannot be opened fails each request with an UnknownError that tells the code', async (t) => {
  const file = path.join(directory(t), 'bad');
  writeFileSync(file, 'a file, not a directory');
  const factory = new IDBFactory({ path: file });
  const requests = [factory.open('d'), factory.deleteDatabase('d')].map(result);
  for (const { reason } of await Promise.allSettled(requests)) {
    assert.ok(domException('UnknownError')(reason));
    assert.match(reason.message, /FLOWDB_/);
  }
});

test('a directory may be named by a file: URL', async (t) => {
  const where = path.join(directory(t), 'with space, é and %');
  const url = pathToFileURL(where);
  const [first, foreign] = [new IDBFactory({ path: url }), new IDBFactory({ path: { href: url.href, protocol: 'file:' } })];
  const db = await openDatabase((upgraded) => upgraded.createObjectStore('s'), { factory: first, name: 'by URL' });
  db.close();
  assert.deepEqual(await foreign.databases(), [{ name: 'by URL', version: 1 }], 'URLs of other realms, too');
  assert.ok(existsSync(where));
  await Promise.all([first.close(), foreign.close()]);
});

test('a factory refuses options that it does not know, and a path that is none', () => {
  for (const [argument, options] of [['options', pathToFileURL('/tmp/x')], ['pth', { pth: 'x' }], ['path', { path: '' }], ['path', { path: 5 }], ['path', { path: null }], ['path', { path: undefined }],
    ['path', { path: 'a\0b' }]]) {
    assert.throws(() => new IDBFactory(options), (error) => {
      assert.ok(error instanceof TypeError);
      assert.deepEqual([error.code, error.argument, error.message.startsWith(`${argument}: `)], ['FLOWDB_INVALID_ARGUMENT', argument, true], error.message);
      return true;
    });
  }
  assert.throws(() => new IDBFactory({ path: undefined }), { message: 'path: is undefined; leave it out for a factory in memory' });
  for (const options of [undefined, null, {}, { pth: undefined }]) assert.ok(new IDBFactory(options));
});

test('close() of a factory also waits for transactions of connections that were closed before', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((upgraded) => upgraded.createObjectStore('s'), { factory });
  const transaction = db.transaction('s', 'readwrite');
  transaction.objectStore('s').put(1, 1);
  const complete = finished(transaction);
  db.close();
  await factory.close();
  assert.equal(await complete, 'complete');
});

test('close() of a factory waits for transactions, then nothing can be opened', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
  const put = result(db.transaction('s', 'readwrite').objectStore('s').put(1, 1));
  await factory.close();
  assert.equal(await put, 1);
  assert.throws(() => db.transaction('s'), domException('InvalidStateError'));
  await assert.rejects(openDatabase(undefined, { factory }), domException('InvalidStateError'));
});

test('what is asked for while close() of a factory waits fails too', async (t) => {
  for (const factory of [new IDBFactory(), new IDBFactory({ path: directory(t) })]) {
    const db = await openDatabase((created) => created.createObjectStore('s'), { factory });
    const store = db.transaction('s', 'readwrite').objectStore('s');
    const closing = factory.close();
    const late = new Promise((resolve) => {
      store.put('again', 1).onsuccess = () => {
        resolve([
          openDatabase(undefined, { factory }), openDatabase(undefined, { factory, name: 'other' }), result(factory.deleteDatabase('database')), factory.databases(),
        ].map((request) => assert.rejects(request, domException('InvalidStateError'))));
        store.put('last', 1);
      };
    });
    assert.equal((await Promise.all(await late)).length, 4);
    await closing;
  }
});

/** What a factory's close() finds a deletion of the database in the midst of. */
const DELETIONS = {
  async blocked(factory, db) {
    const request = factory.deleteDatabase('database');
    await new Promise((resolve) => { request.onblocked = resolve; });
    await factory.close();
    assert.ok(db);
    return request;
  },
  async 'blocked by two connections'(factory) {
    await openDatabase(undefined, { factory });
    const request = factory.deleteDatabase('database');
    await new Promise((resolve) => { request.onblocked = resolve; });
    await factory.close();
    return request;
  },
  async 'asked for in the same turn'(factory, db) {
    db.close();
    const request = factory.deleteDatabase('database');
    await factory.close();
    return request;
  },
  async 'behind an upgrade'(factory, db) {
    db.close();
    const opening = factory.open('database', 2);
    const [request, closed] = await new Promise((resolve) => {
      opening.onupgradeneeded = () => resolve([factory.deleteDatabase('database'), factory.close()]);
    });
    await closed;
    return request;
  },
};

for (const [name, deleteAndClose] of Object.entries(DELETIONS)) {
  test(`a deletion ${name} when the factory is closed is done, or told to have failed`, async (t) => {
    const path = directory(t);
    const factory = new IDBFactory({ path });
    const db = await openDatabase((created) => created.createObjectStore('s').put('only copy', 1), { factory });
    const request = await deleteAndClose(factory, db);
    const answer = request.readyState === 'done' ? Promise.resolve(request.error) : result(request).then(() => null, (error) => error);
    const error = await answer;
    const again = new IDBFactory({ path });
    const names = (await again.databases()).map((database) => database.name);
    if (error === null) {
      assert.deepEqual(names, []);
    } else {
      assert.equal(error.name, 'AbortError');
      assert.deepEqual(names, ['database']);
      const reopened = await openDatabase(undefined, { factory: again });
      assert.equal(await result(reopened.transaction('s').objectStore('s').get(1)), 'only copy');
    }
    await again.close();
  });
}

test('close() of a factory ends when an upgrade has just been aborted, whatever else is going on', () => {
  const script = `
    const { IDBFactory } = require(${JSON.stringify(path.join(__dirname, '..', '..'))});
    const factory = new IDBFactory();
    const other = new IDBFactory().open('other', 1);
    other.onupgradeneeded = () => other.result.createObjectStore('s');
    other.onsuccess = () => {
      // Tasks with listeners come between those of the abort.
      const store = other.result.transaction('s', 'readwrite').objectStore('s');
      const again = () => { store.put(1, 1).onsuccess = again; };
      again();
      const opening = factory.open('d', 1);
      opening.onupgradeneeded = () => {
        opening.transaction.onabort = () => factory.close().then(() => { console.log('closed'); process.exit(); });
        opening.transaction.abort();
      };
    };`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 10_000, killSignal: 'SIGKILL' });
  assert.equal(stdout, 'closed\n', stderr);
});

test('an upgrade that nobody was told of is undone when the factory is closed', async (t) => {
  const path = directory(t);
  const factory = new IDBFactory({ path });
  (await openDatabase((created) => created.createObjectStore('s'), { factory })).close();
  const request = factory.open('database', 2);
  request.onupgradeneeded = () => assert.fail('told of an upgrade');
  const failed = assert.rejects(result(request), domException('AbortError'));
  await factory.close();
  await failed;
  const again = new IDBFactory({ path });
  assert.deepEqual(await again.databases(), [{ name: 'database', version: 1 }]);
  await again.close();
});

test('who is answered after the factory was closed gets no closed connection', async (t) => {
  for (const factory of [new IDBFactory(), new IDBFactory({ path: directory(t) })]) {
    (await openDatabase(undefined, { factory })).close();
    const [first, second] = [factory.open('database'), factory.open('database')];
    const failed = assert.rejects(result(second), domException('AbortError'));
    first.onsuccess = () => { first.closing = factory.close(); };
    await failed;
    await first.closing;
  }
});

test('the event loop turns between the answers to many opens of a database with many object stores', async () => {
  const factory = new IDBFactory();
  const db = await openDatabase((created) => {
    for (let number = 0; number < 1000; number += 1) created.createObjectStore(`s${number}`).createIndex('i', 'x');
  }, { factory });
  let turns = 0;
  let immediate = setImmediate(function turn() {
    turns += 1;
    immediate = setImmediate(turn);
  });
  const answeredAt = await Promise.all(Array.from({ length: 40 }, async () => {
    const connection = await openDatabase(undefined, { factory });
    const turn = turns;
    assert.equal(connection.objectStoreNames.length, 1000);
    connection.close();
    return turn;
  }));
  clearImmediate(immediate);
  db.close();
  // All of them take some forty milliseconds, of which a turn has four.
  assert.ok(answeredAt.at(-1) - answeredAt[0] >= 4, `${answeredAt}`);
});
