'use strict';

// Goal: Blobs that are not Node's are stored, as far as their own environment can read them.
// Method: what jsdom has: a Blob without arrayBuffer(), and a FileReader.

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
      const put = request.result.createObjectStore('s').put(value, 1);
      put.onerror = () => reject(put.error);
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
