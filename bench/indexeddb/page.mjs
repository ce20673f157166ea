// The browser's side of chromium.mjs.
/* global indexedDB, IDBKeyRange, location */

import { measure } from './measure.mjs';

async function run() {
  const { name, objects } = await (await fetch('task.json')).json();
  const context = { indexedDB, IDBKeyRange, objects, calls: (/** @type {() => void} */ loop) => loop() };
  return measure(name, context, () => () => ({}));
}

const result = await run().catch((error) => ({ error: String(error) }));
await fetch(location.href, { method: 'POST', body: JSON.stringify(result) });
