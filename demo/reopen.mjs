// Another process: opens what an earlier one left behind and asks the same questions again.
import { IDBFactory, open } from 'flowdb';
import { checkDocuments } from './document-checks.mjs';
import { DATABASE, VERSION, openDocuments } from './documents.mjs';
import { checkSeries } from './series.mjs';
import { stage } from './stage.mjs';

await stage(async (report, [directory]) => {
  const db = await report.timed('open the directory', () => open(directory), () => 1);
  const factory = new IDBFactory({ path: directory });
  /** @type {{ name?: string, version?: number }[]} */
  const databases = await factory.databases();
  report.equal('the database of the documents', databases.find(({ name }) => name === DATABASE), { name: DATABASE, version: VERSION });
  // Opening a database that is not there would make an empty one, and say so less clearly.
  if (report.failures.length > 0) return;

  await checkSeries(db, report);
  const connection = await openDocuments(factory);
  await checkDocuments(connection, report);
  connection.close();
  await factory.close();
  await db.close();
});
