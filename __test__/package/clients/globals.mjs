// What each client finds: the globals of flowdb/auto, in memory or on the directory of the first argument, and what
// libraries for browsers take for granted besides.

import 'flowdb/auto';
import { IDBFactory } from 'flowdb';

const [, , directory, task] = process.argv;
if (directory !== '-') globalThis.indexedDB = new IDBFactory({ path: directory });
globalThis.self = globalThis;
globalThis.navigator ??= { userAgent: '' };

/** Whether this process is the one that fills the directory; else it reads what another has left. */
export const writes = task === 'write';

export const print = (found) => console.log(JSON.stringify(found));
