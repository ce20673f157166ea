// The adapter as Node loads it, with attachments as Buffers.

import { print, writes } from './globals.mjs';
import adapter from 'pouchdb-adapter-indexeddb';
import PouchDB from 'pouchdb-core';

PouchDB.plugin(adapter);
const database = new PouchDB('documents', { adapter: 'indexeddb' });
if (writes) await database.put({ _id: 'd', _attachments: { bytes: { content_type: 'text/plain', data: Buffer.from('hello') } } });
const { _attachments: { bytes } } = await database.get('d');
print([Buffer.from(await database.getAttachment('d', 'bytes')).toString(), bytes.length, bytes.content_type]);
await database.close();
