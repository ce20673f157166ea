/* global indexedDB */

// What the SDK asks before it stores anything, and the first thing it stores: the heartbeats of its users.

import { setTimeout } from 'node:timers/promises';
import { print, writes } from './globals.mjs';
import { _getProvider, initializeApp, registerVersion } from '@firebase/app';
import { isIndexedDBAvailable, validateIndexedDBOpenable } from '@firebase/util';

const before = (await indexedDB.databases()).length;
const probe = [isIndexedDBAvailable(), await validateIndexedDBOpenable(), (await indexedDB.databases()).length - before];

const app = initializeApp({ projectId: 'project', appId: 'app', apiKey: 'key' });
registerVersion('tests', '1.0.0');
if (writes) await _getProvider(app, 'heartbeat').getImmediate().triggerHeartbeat();

const database = await new Promise((resolve, reject) => {
  const request = indexedDB.open('firebase-heartbeat-database', 1);
  request.onerror = () => reject(request.error);
  request.onsuccess = () => resolve(request.result);
});

function storedHeartbeats() {
  const request = database.transaction('firebase-heartbeat-store').objectStore('firebase-heartbeat-store').getAll();
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// The SDK does not let its users wait for the write.
let stored;
do {
  await setTimeout(1);
  stored = await storedHeartbeats();
} while (stored.length === 0);
print([...probe, stored.length, stored[0].heartbeats.length, /tests\/1\.0\.0/.test(stored[0].heartbeats[0].agent)]);
database.close();
