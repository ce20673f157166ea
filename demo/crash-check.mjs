// After the kill, in a further process: everything acknowledged is there, every transaction is whole.
import { IDBFactory, open } from 'flowdb';
import { DATABASE, LINES_PER_ORDER, SERIES, openOrders } from './crash.mjs';
import { resultOf } from './requests.mjs';
import { stage } from './stage.mjs';

/** @param {number} count */
const countUp = (count) => Array.from({ length: count }, (_, index) => index);

await stage(async (report, [directory, acknowledgedJson]) => {
  /** @type {import('./crash.mjs').Acknowledged} */
  const acknowledged = JSON.parse(acknowledgedJson);
  const db = await report.timed('open after the kill', () => open(directory), () => 1);

  const readings = await db.series.scan({ key: SERIES }).all();
  report.equal('readings without a gap', readings.map(({ ts, value }) => [ts, value]), countUp(readings.length).map((n) => [n, n]));
  report.equal('every acknowledged reading', readings.length >= acknowledged.readings, true);

  const factory = new IDBFactory({ path: directory });
  const connection = await openOrders(factory, DATABASE);
  const transaction = connection.transaction(['orders', 'lines']);
  /** @type {any[][]} */
  const [orders, lines] = await Promise.all(['orders', 'lines'].map((name) => resultOf(transaction.objectStore(name).getAll())));
  report.equal('orders without a gap', orders.map((order) => order.number), countUp(orders.length));
  report.equal('every acknowledged order', orders.length >= acknowledged.orders, true);
  report.equal('every order with all of its lines, no line without its order', lines,
    countUp(orders.length).flatMap((order) => countUp(LINES_PER_ORDER).map((line) => ({ order, line }))));
  const last = orders.length - 1;
  report.equal('the index of the lines', await resultOf(connection.transaction('lines').objectStore('lines')
    .index('by_order').count(last)), LINES_PER_ORDER);

  report.facts.found = { readings: readings.length, orders: orders.length };
  connection.close();
  await factory.close();
  await db.close();
});
