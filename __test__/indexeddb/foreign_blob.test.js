'use strict';

// Goal: Blobs that are not Node's are stored, as far as their own environment can read them.
// Method: what jsdom has: a Blob without arrayBuffer(), and a FileReader. What happy-dom has: classes without a tag, listed on the global object.

const assert = require('node:assert/strict');
const { afterEach, test } = require('node:test');
const { IDBFactory } = require('../..');

class WindowBlob {
  #bytes;
  constructor(bytes) { this.#bytes = bytes; }
  get size() { return this.#bytes.length; }
  get type() { return 'text/plain'; }
  slice() { return this; }
  static read = (blob) => blob.#bytes.slice().buffer;
}
Object.defineProperty(WindowBlob.prototype, Symbol.toStringTag, { value: 'Blob' });

class WindowFile extends WindowBlob {
  name = 'n.txt';
  lastModified = 9;
}
Object.defineProperty(WindowFile.prototype, Symbol.toStringTag, { value: 'File' });

/** @param {Error | null} failure */
const readerClass = (failure) => class {
  error = failure;
  readAsArrayBuffer(blob) {
    setImmediate(() => {
      this.result = WindowBlob.read(blob);
      if (failure === null) this.onload();
      else this.onerror();
    });
  }
};

afterEach(() => { delete globalThis.FileReader; });

function store(value) {
  return new Promise((resolve, reject) => {
    const request = new IDBFactory().open('d');
    request.onupgradeneeded = () => {
      try {
        const put = request.result.createObjectStore('s').put(value, 1);
        put.onerror = () => reject(put.error);
      } catch (error) {
        reject(error);
      }
      request.result.onabort = (event) => event.stopPropagation();
    };
    request.onsuccess = () => {
      const get = request.result.transaction('s').objectStore('s').get(1);
      get.onsuccess = () => resolve(get.result);
    };
  });
}

test('a Blob without arrayBuffer() is read by FileReader', async () => {
  globalThis.FileReader = readerClass(null);
  const found = await store(new WindowBlob(new Uint8Array([104, 105])));
  assert.deepEqual([await found.text(), found.type], ['hi', 'text/plain']);
});

test('a File keeps its name and time, also one of a subclass', async () => {
  globalThis.FileReader = readerClass(null);
  for (const File of [WindowFile, class extends WindowFile {}]) {
    const found = await store(new File(new Uint8Array([104, 105])));
    assert.deepEqual([await found.text(), found.name, found.lastModified, found.constructor], ['hi', 'n.txt', 9, globalThis.File]);
  }
});

test('a failure of FileReader fails the request', async () => {
  globalThis.FileReader = readerClass(new Error('gone'));
  await assert.rejects(store(new WindowBlob(new Uint8Array(1))), { name: 'UnknownError', message: 'gone' });
});

test('without FileReader the request fails', async () => {
  await assert.rejects(store(new WindowBlob(new Uint8Array(1))), { name: 'UnknownError', message: /FileReader/ });
});

/** As in happy-dom: the window's classes are subclasses, and the contents are in an enumerable property. */
class BaseBlob {
  type = 'text/plain';
  #bytes = new TextEncoder().encode('hi');
  get size() { return 2; }
  slice() { return this; }
  async arrayBuffer() { return this.#bytes.slice().buffer; }
}
class BaseEventTarget {
  addEventListener() {}
}
Object.defineProperty(BaseEventTarget, 'name', { value: 'EventTarget' });

const environment = {
  Blob: class Blob extends BaseBlob {},
  EventTarget: class EventTarget extends BaseEventTarget {},
  Event: class Event {
    type = 'custom';
  },
};
environment.File = class File extends environment.Blob {
  name = 'n.txt';
  lastModified = 9;
};
environment.Element = class Element extends BaseEventTarget {
  tagName = 'P';
};

/** @param {() => Promise<void>} callback */
async function withEnvironment(callback) {
  const names = Object.keys(environment);
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  for (const name of names) {
    Object.defineProperty(globalThis, name, { value: environment[name], writable: true, enumerable: true, configurable: true });
  }
  try {
    await callback();
  } finally {
    names.forEach((name, index) => {
      delete globalThis[name];
      if (before[index] !== undefined) Object.defineProperty(globalThis, name, before[index]);
    });
  }
}

test('Blobs and Files of an environment without tags are known by their place on the global object', () => withEnvironment(async () => {
  const found = await store([new environment.Blob(), new environment.File(), new (class extends environment.File {})()]);
  assert.deepEqual(await Promise.all(found.map((each) => each.text())), ['hi', 'hi', 'hi']);
  assert.deepEqual(found.map(({ name, lastModified }) => [name, lastModified]), [[undefined, undefined], ['n.txt', 9], ['n.txt', 9]]);
}));

test('a Blob of a class that nobody knows is refused', async () => {
  for (const unknown of [new environment.Blob(), new environment.File(), new BaseBlob()]) {
    await assert.rejects(store({ unknown }), { name: 'DataCloneError' });
  }
  class Named {
    size = 1;
    type = 't';
  }
  assert.deepEqual(await store(new Named()), { size: 1, type: 't' });
});

test('nodes and events of an environment that lists its interfaces are refused', () => withEnvironment(async () => {
  for (const part of [new environment.Element(), new environment.EventTarget(), new environment.Event()]) {
    await assert.rejects(store({ part }), { name: 'DataCloneError' });
  }
}));

test('objects of classes with the names of interfaces are stored where they are not those of the global object', async () => {
  assert.deepEqual(await store([new environment.Element(), new environment.Event()]), [{ tagName: 'P' }, { type: 'custom' }]);
});
