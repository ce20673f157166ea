// The adapter as a bundler for browsers takes it, with attachments as Blobs.

import { print, writes } from './globals.mjs';

globalThis.FileReader = class {
  readAsArrayBuffer(blob) {
    blob.arrayBuffer().then((bytes) => this.#done(bytes));
  }

  readAsBinaryString(blob) {
    blob.arrayBuffer().then((bytes) => this.#done(Buffer.from(bytes).toString('latin1')));
  }

  #done(result) {
    this.result = result;
    this.onloadend({ target: this });
  }
};

const { PouchDB, adapter } = await import('./pouchdb-bundle.mjs');
PouchDB.plugin(adapter);
const database = new PouchDB('documents', { adapter: process.argv[4] });
if (writes) {
  await database.bulkDocs([{ _id: 'a', n: 1 }, { _id: 'b', n: 2 }, { _id: 'c', n: 3 }]);
  await database.put({ ...await database.get('a'), n: 10 });
  await database.putAttachment('b', 'text', (await database.get('b'))._rev, new Blob(['hello']), 'text/plain');
  const data = new Blob([new Uint8Array(100_000).fill(7)]);
  await database.put({ _id: 'd', _attachments: { bytes: { content_type: 'application/octet-stream', data } } });
  await database.remove(await database.get('c'));
  await database.compact();
}
const bytes = await database.getAttachment('d', 'bytes');
print([
  await (await database.getAttachment('b', 'text')).text(), bytes.size, new Uint8Array(await bytes.arrayBuffer()).every((byte) => byte === 7),
  (await database.allDocs({ include_docs: true })).rows.map(({ id, doc }) => [id, doc.n ?? null]),
  (await database.changes({ since: 0 })).results.filter(({ deleted }) => deleted).map(({ id }) => id),
  (await database.get('a', { revs: true }))._revisions.ids.length,
  await database.put({ _id: 'a', n: 5 }).catch((error) => error.name),
]);
await database.close();
