// What a project that is tested with flowdb/auto relies on, for any test runner: each gives its own `test` and `beforeEach`,
// its assertions, and what it has for fake timers. It has no imports, so that it is a CommonJS or an ES module as needed.

/* global document, indexedDB:writable, IDBDatabase, IDBKeyRange, IDBOpenDBRequest, IDBRequest, IDBVersionChangeEvent */

export default function suite({ test, beforeEach, assert, IDBFactory, forceCloseDatabase, open: openRecords, fakeTimers = {}, reload }) {
  const result = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  function open(name = 'database') {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('store', { keyPath: 'id' });
    return result(request);
  }

  function put(database, value) {
    const transaction = database.transaction('store', 'readwrite');
    transaction.objectStore('store').put(value);
    return new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  }

  const get = (database, key) => result(database.transaction('store').objectStore('store').get(key));

  async function roundTrip(value) {
    const database = await open();
    await put(database, { id: 1, value });
    const found = await get(database, 1);
    database.close();
    return found.value;
  }

  beforeEach(() => { indexedDB = new IDBFactory(); });

  for (const round of ['first', 'second']) {
    test(`each test begins with an empty world: ${round}`, async () => {
      assert.equal((await indexedDB.databases()).length, 0);
      const database = await open();
      await put(database, { id: round }); // left open: the next test must not be blocked by it, nor the end of the run
    });
  }

  test('values of this realm are cloned and come back in this realm', async () => {
    const value = [new Uint8Array([1, 2]), new Date(5), new Map([[1, new Set([2])]]), new RangeError('x'), /x/g, { list: [1n] }];
    const found = await roundTrip(value);
    for (const [index, type] of [Uint8Array, Date, Map, RangeError, RegExp, Object].entries()) {
      assert.ok(value[index] instanceof type, `given ${type.name}`);
      assert.ok(found[index] instanceof type, type.name);
    }
    assert.ok(found instanceof Array && found[3] instanceof Error && found[0].buffer instanceof ArrayBuffer);
    assert.equal([...found[0]].join(), '1,2');
    assert.equal([found[1].getTime(), found[2].get(1).has(2), found[3].message, found[4].flags, found[5].list[0]].join(), '5,true,x,g,1');
  });

  test('keys of this realm are keys', () => {
    assert.equal(indexedDB.cmp(new Date(1), new Date(2)), -1);
    assert.equal(indexedDB.cmp(new Uint8Array([1]), new Uint8Array([1]).buffer), 0);
    const range = IDBKeyRange.bound([1, new Date(1)], [new Uint8Array([2])]);
    assert.ok(range.lower instanceof Array && range.lower[1] instanceof Date && range.upper[0] instanceof ArrayBuffer);
  });

  test('requests and events are instances of the globals', async () => {
    const request = indexedDB.open('other');
    assert.ok(request instanceof IDBOpenDBRequest && request instanceof IDBRequest && request instanceof EventTarget);
    const upgrade = await new Promise((resolve) => { request.onupgradeneeded = resolve; });
    assert.ok(upgrade instanceof IDBVersionChangeEvent && upgrade instanceof Event);
    const success = await new Promise((resolve) => { request.onsuccess = resolve; });
    assert.ok(success instanceof Event && success.target === request);
    assert.ok(request.result instanceof IDBDatabase);
  });

  test('errors are instances of the globals', async () => {
    const database = await open();
    const thrown = (call) => {
      try {
        call();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    const notFound = thrown(() => database.transaction('missing'));
    assert.ok(notFound instanceof DOMException);
    assert.equal(notFound.name, 'NotFoundError');
    assert.ok(thrown(() => indexedDB.open('database', -1)) instanceof TypeError);
  });

  test('errors of the engine keep their names', async () => {
    const database = await open();
    await put(database, { id: 1 });
    const add = database.transaction('store', 'readwrite').objectStore('store').add({ id: 1 });
    const error = await new Promise((resolve) => {
      add.onsuccess = () => resolve(undefined);
      add.onerror = (event) => {
        event.preventDefault();
        resolve(add.error);
      };
    });
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, 'ConstraintError');
  });

  test('Blobs and Files of this realm are stored', async () => {
    const found = await roundTrip([new Blob(['abc'], { type: 'text/plain' }), new File(['de'], 'f.txt', { lastModified: 7 })]);
    assert.ok(found[0] instanceof Blob && found[1] instanceof Blob && found[1] instanceof File);
    assert.equal([found[0].size, found[0].type, found[1].size, found[1].name, found[1].lastModified].join(), '3,text/plain,2,f.txt,7');
  });

  test('nodes and events are refused', async () => {
    const nodes = typeof document === 'undefined' ? [] : [document, document.createElement('p'), document.createTextNode('text')];
    const database = await open();
    const store = database.transaction('store', 'readwrite').objectStore('store');
    for (const part of [...nodes, new Event('x'), new EventTarget()]) {
      assert.throws(() => store.put({ id: 1, part }), (error) => error.name === 'DataCloneError');
    }
  });

  test('nothing needs structuredClone', async () => {
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'structuredClone');
    if (descriptor !== undefined) delete globalThis.structuredClone;
    try {
      assert.equal((await roundTrip({ a: [1] })).a[0], 1);
    } finally {
      if (descriptor !== undefined) Object.defineProperty(globalThis, 'structuredClone', descriptor);
    }
  });

  test('forceCloseDatabase fires close', async () => {
    const database = await open();
    const closed = new Promise((resolve) => { database.onclose = resolve; });
    forceCloseDatabase(database);
    assert.equal((await closed).type, 'close');
  });

  test('a change of a record that fails is rejected', async () => {
    const records = await openRecords({ memory: true });
    await records.kv.put('text', 'five');
    const changes = await Promise.allSettled([records.kv.increment('text'), records.kv.increment('number')]);
    assert.equal(changes[0].reason?.code, 'FLOWDB_INVALID_ARGUMENT');
    assert.equal(changes[1].value, 1);
    await records.close();
  });

  async function work() {
    const database = await open();
    await put(database, { id: 1, value: 'kept' });
    assert.equal((await get(database, 1)).value, 'kept');
    database.close();
    await result(indexedDB.deleteDatabase('database'));
  }

  for (const [name, { install, uninstall }] of Object.entries(fakeTimers)) {
    test(`${name} do not stop the database`, async () => {
      install();
      try {
        await work();
      } finally {
        uninstall();
      }
    });

    if (reload === undefined) continue;
    test(`${name} do not stop a database that is loaded among them`, async () => {
      install();
      try {
        const again = reload();
        assert.ok(again.IDBFactory !== IDBFactory);
        indexedDB = new again.IDBFactory();
        await work();
      } finally {
        uninstall();
      }
    });
  }
}
