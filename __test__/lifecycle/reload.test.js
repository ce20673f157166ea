'use strict';

// Test runners throw modules away and load them again, in contexts of their own; all of them meet in one library.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ROOT, directory, run } = require('../fixture.js');

const FORGET = `
  const forget = () => { for (const file of Object.keys(require.cache)) delete require.cache[file]; };
`;

test('a copy of the modules shares the directory with the others', async (t) => {
  const { code, output } = await run(`
    ${FORGET}
    process.on('warning', (warning) => console.log(String(warning)));
    (async () => {
      const databases = [];
      for (let round = 0; round < 30; round += 1) {
        forget();
        const { open: openAgain } = require(process.argv[2]);
        const db = await openAgain(process.argv[1]);
        await db.put('k' + round, 'x', { sync: true });
        db.put('large' + round, 'x'.repeat(100_000));
        databases.push(db);
      }
      const counts = await Promise.all(databases.map(async (db) => (await db.scan({ prefix: 'k', values: false }).all()).length));
      console.log(counts.every((count) => count === 30));
      await Promise.all(databases.map((db) => db.close()));
    })();
  `, { args: [directory(t), ROOT] });
  assert.deepEqual([code, output.trim()], [0, 'true']);
});

test('values and errors cross from and to a vm context', async () => {
  const { code, output } = await run(`
    const vm = require('node:vm');
    const context = vm.createContext({ open, console });
    vm.runInContext(\`(async () => {
      const db = await open({ memory: true });
      await db.put('bytes', new Uint8Array([1, 2, 3]), { ttl: 60000 });
      await db.put('object', { list: [1, new Date(5), new Map([[1, 2]])] });
      console.log((await db.get('bytes')).join(), JSON.stringify((await db.get('object')).list.slice(0, 2)));
      await db.put('k').catch((error) => console.log(error.code));
      await db.close();
    })()\`, context);
  `);
  assert.deepEqual([code, output.trim().split('\n')], [0, ['1,2,3 [1,"1970-01-01T00:00:00.005Z"]', 'FLOWDB_INVALID_ARGUMENT']]);
});

test('fake timers do not stop writes, syncs or reads', async (t) => {
  const { code, output } = await run(`
    const never = () => 0;
    globalThis.setTimeout = never; globalThis.setImmediate = never; globalThis.setInterval = never;
    globalThis.queueMicrotask = never; process.nextTick = never;
    (async () => {
      const db = await open(process.argv[1]);
      await db.put('k', 'x', { sync: true });
      await db.put('large', 'x'.repeat(100_000));
      console.log(await db.get('k'), (await db.scan().all()).length);
      await db.close();
    })();
  `, { args: [directory(t)] });
  assert.deepEqual([code, output.trim()], [0, 'x 2']);
});

test('the log is synced at the interval even while the event loop is blocked', { skip: process.platform !== 'linux' && 'threads have no names to look for' }, async (t) => {
  const { output } = await run(`
    (async () => {
      const db = await open({ path: process.argv[1], sync: { intervalMs: 1000 } });
      const fs = require('node:fs');
      const nameOf = (id) => { try { return fs.readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim(); } catch { return 'gone'; } };
      const threads = () => fs.readdirSync('/proc/self/task').map(nameOf);
      const before = (await db.stats()).latencies.sync.count;
      await db.put('a', 'x');
      // The timer's thread ends once nothing is left to be synced: it does its work although this loop lets nothing
      // else run. An interval so long that a busy machine gets here before it is over.
      const waitFor = (present) => {
        for (const end = Date.now() + 30_000; Date.now() < end;) if (threads().includes('flowdb-timer') === present) return true;
        return false;
      };
      console.log(waitFor(true), waitFor(false));
      console.log((await db.stats()).latencies.sync.count - before);
      await db.close();
    })();
  `, { args: [directory(t)] });
  const [threads, syncs] = output.trim().split('\n');
  assert.equal(threads, 'true true');
  assert.ok(Number(syncs) > 0, 'the log was synced');
});
