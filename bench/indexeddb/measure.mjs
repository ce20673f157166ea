// One workload, the same in Node and in a browser.

import { WORKLOADS } from './workloads.mjs';

/**
 * Answers the speed, and what `watch` saw: it is called when the timed part begins, and what it answers when that is over.
 */
export async function measure(name, context, watch) {
  const workload = WORKLOADS[name];
  context.database = await workload.setUp(context);
  const end = watch();
  const start = performance.now();
  const operations = await workload.run(context);
  const seconds = (performance.now() - start) / 1000;
  const seen = end(operations);
  await workload.verify?.(context);
  context.database?.close();
  return { perSecond: operations / seconds, ...seen };
}
