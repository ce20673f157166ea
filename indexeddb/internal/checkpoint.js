'use strict';

// "Perform a microtask checkpoint" from JavaScript. Node runs one after each callback from its event loop, not
// after each listener of an event, so it has to be asked for. What the runtime offers is undocumented: it is tried, not trusted.

/** @type {string} not a literal type: there are no declarations of it to find */
const BUN_MODULE = 'bun:jsc';

/** @returns {(() => void)[]} */
function candidates() {
  const { _tickCallback: tickCallback } = /** @type {{ _tickCallback?: () => void }} */ (
    /** @type {unknown} */ (process)
  );
  const found = [];
  if (typeof tickCallback === 'function') found.push(() => tickCallback.call(process));
  if (process.versions.bun !== undefined) found.push(require(BUN_MODULE).drainMicrotasks);
  return found;
}

/** @param {() => void} candidate */
function works(candidate) {
  let ran = false;
  // Not queueMicrotask, which may be a fake by now.
  void Promise.resolve().then(() => {
    ran = true;
  });
  try {
    candidate();
  } catch {
    return false;
  }
  return ran;
}

/** @type {(() => void) | null | undefined} */
let chosen;

/**
 * The way to perform a checkpoint in this runtime, or null if there is none. The first call must come from a
 * macrotask with no other JavaScript below it: it runs the microtasks that are waiting.
 */
function checkpointFunction() {
  if (chosen === undefined) chosen = candidates().find(works) ?? null;
  return chosen;
}

module.exports = { checkpointFunction };
