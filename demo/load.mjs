// First process: stores everything, asks its questions, and meanwhile lets nobody else in.
import { IDBFactory, open } from 'flowdb';
import { checkDocuments } from './document-checks.mjs';
import { loadDocuments, openDocuments } from './documents.mjs';
import { checkSeries, loadSeries } from './series.mjs';
import { runStage, stage } from './stage.mjs';

await stage(async (report, [directory]) => {
  const db = await open(directory);
  await loadSeries(db, report);
  await checkSeries(db, report);

  const factory = new IDBFactory({ path: directory });
  const connection = await openDocuments(factory);
  await loadDocuments(connection, report);
  await checkDocuments(connection, report);

  const { facts: { refusal } } = await runStage('second-opener.mjs', directory);
  report.equal('another process is refused and told who has the directory', refusal, { code: 'FLOWDB_LOCKED', holder: process.pid });

  connection.close();
  await factory.close();
  await db.close();
});
