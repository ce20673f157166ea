// A logger of measurements that keeps them for a week, and draws the last hour.
//
//     node examples/sensors.mjs [folder]
import { open } from 'flowdb';

const MINUTE_MS = 60_000;
const KEPT_MS = 7 * 24 * 60 * MINUTE_MS;

// What was measured in the last second may go with a power cut; the disk is not asked for more than one sync a second.
// A point goes a week after it was measured, whenever it is written.
const db = await open({ path: process.argv[2] ?? 'sensors', sync: { intervalMs: 1000 }, seriesRetentionMs: KEPT_MS });

const log = (sensor, value, date) => db.series.put(sensor, value, { ts: date });

const now = Date.now();
const measured = [];
for (let minute = 0; minute < 120; minute += 1) {
  const date = new Date(now - minute * MINUTE_MS);
  measured.push(log('greenhouse/temperature', 20 + 5 * Math.sin(minute / 10), date), log('greenhouse/humidity', 60, date));
}
measured.push(log('greenhouse/temperature', -99, new Date(now - KEPT_MS - MINUTE_MS)));     // older than a week: not there
await Promise.all(measured);

const all = await db.series.scan({ key: 'greenhouse/temperature' }).all();
console.log(all.length, 'points');                                            // -> 120 points
const hour = await db.series.scan({ key: 'greenhouse/temperature', from: new Date(now - 59 * MINUTE_MS), to: new Date(now + 1) }).all();
console.log(hour.length, 'of the last hour');                                 // -> 60 of the last hour
console.log((await db.series.latest('greenhouse/temperature')).value);        // -> 20

const BARS = '▁▂▃▄▅▆▇█';
const values = hour.map(({ value }) => value);
const lowest = Math.min(...values);
const highest = Math.max(...values);
const bar = (value) => BARS[Math.round((value - lowest) / (highest - lowest) * (BARS.length - 1))];
console.log(values.map(bar).join(''));  // -> ▃▃▃▂▂▂▂▁▁▁▁▁▁▁▁▁▁▁▂▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇▇███████████▇▇▇▇▆▆▆▆▅▅▅
await db.close();
