'use strict';

// Goal: who watches a server learns of a full disk: from the statistics, the metrics and the log, and from each of them neither too little nor too much.
// Method: a child process that may write files of a few megabytes only.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { directory } = require('../fixture.js');

const FLOWDB = JSON.stringify(require.resolve('../../index.js'));

const PROGRAM = `
  const { open } = require(${FLOWDB});
  const lines = [];
  const line = (level) => (fields, message) => lines.push({ level, message, code: /space|large/i.test(fields.error) });
  const logger = { error: line('error'), warn: line('warn'), info() {}, debug() {} };
  const LARGE = new Uint8Array(400_000);
  (async () => {
    const db = await open({ path: process.argv[1], logger });
    const codes = new Set();
    const refusedOf = async (count) => {
      let refused = 0;
      for (let index = 0; index < count; index += 1) {
        await db.kv.put('large', LARGE).catch((error) => { refused += 1; codes.add(error.code); });
      }
      return refused;
    };
    const phases = [];
    const phase = async (count) => {
      const refused = await refusedOf(count);
      await new Promise(setImmediate);
      const { writeErrors } = (await db.stats()).totals;
      phases.push({ refused, writeErrors, warnings: lines.filter(({ message }) => message.startsWith('a write failed')).length });
    };
    await phase(1);
    await phase(60);
    await phase(3);
    await db.kv.put('small', 1);
    await phase(3);
    const metric = /^flowdb_write_errors_total (\\d+)$/m.exec(await db.metricsText())[1];
    await db.kv.put(5).catch(() => {});
    await db.kv.increment('large').catch(() => {});
    const { writeErrors } = (await db.stats()).totals;
    console.log(JSON.stringify({ phases, metric: Number(metric), writeErrors, codes: [...codes], lines }));
  })();
`;

test('writes that a full disk refuses are counted, and the first of a row is logged', { skip: process.platform === 'win32' }, async (t) => {
  // Units of 512 or 1024 bytes, as the shell has it.
  const limited = ['-c', 'ulimit -f 6000; exec "$0" "$@"', process.execPath, '-e', PROGRAM, directory(t)];
  const { stdout } = await promisify(execFile)('sh', limited);
  const { phases: [roomy, full, still, again], metric, writeErrors, codes, lines } = JSON.parse(stdout);
  assert.deepEqual(roomy, { refused: 0, writeErrors: 0, warnings: 0 });
  assert.ok(full.refused > 3, stdout);
  assert.deepEqual([full.writeErrors, full.warnings], [full.refused, 1]);
  assert.deepEqual(still, { refused: 3, writeErrors: full.refused + 3, warnings: 1 });
  assert.deepEqual(again, { refused: 3, writeErrors: full.refused + 6, warnings: 2 }, 'a write has worked in between');
  assert.equal(metric, full.refused + 6);
  assert.equal(writeErrors, metric, 'the faults of callers do not count');
  assert.deepEqual(codes, ['FLOWDB_NO_SPACE']);
  assert.ok(lines.every(({ code }) => code), stdout);
});
