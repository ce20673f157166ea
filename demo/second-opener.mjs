// Tries to open a directory that another process has open, and tells what it was answered.
import { open } from 'flowdb';
import { stage } from './stage.mjs';

await stage(async (report, [directory]) => {
  try {
    const db = await open(directory);
    await db.close();
    report.facts.refusal = null;
  } catch (error) {
    const { code, holder } = /** @type {import('flowdb').FlowDBError} */ (error);
    report.facts.refusal = { code, holder };
  }
});
