'use strict';

// The database access task source (https://w3c.github.io/IndexedDB/#database-access-task-source): one queue of
// tasks per environment, run from macrotasks. A turn of the event loop costs more than most tasks, so one turn
// runs many of them, with a microtask checkpoint in between; the limits keep timers and sockets alive.

const { performance } = require('node:perf_hooks');
const { checkpointFunction } = require('./checkpoint.js');
const { macrotask } = require('../../common/macrotask.js');
const { Queue } = require('../../common/queue.js');
const { reportException } = require('./report.js');
const { append } = require('../../common/intrinsics.js');

// Captured at import: fake timers that are installed later must not stop the database. queueMicrotask may be a fake even now.
const { nextTick } = process;
const resolved = Promise.resolve();
const now = performance.now.bind(performance);

const TASKS_PER_TURN = 1000;
const MILLISECONDS_PER_TURN = 4;
/** The clock is read once for so many tasks, or for so many bytes of requests and answers: those are what long tasks are made of. */
const TASKS_PER_CLOCK_READING = 16;
const BYTES_PER_CLOCK_READING = 64 * 1024;

/**
 * Something done in several steps, with a checkpoint after each: the listeners of an event.
 * @typedef {{ step(): boolean, finish(): void }} Steps
 */

/**
 * A task and what it is about, one behind the other: no function has to be made for a task that comes often.
 * @type {Queue<any>}
 */
const tasks = new Queue();
let scheduled = false;
let bytesSinceClockReading = 0;
/** @type {Steps | null} the event whose listeners are being called */
let steps = null;
/** Tasks are being run, with a checkpoint after each that needs one. */
let running = false;
/** What waits for the next checkpoint to be done: callbacks, each with what it is about behind it. @type {any[]} */
let afterCheckpoint = [];

/**
 * @template [T=undefined]
 * @param {(target: T) => void} task called from a macrotask of its own, as far as its microtasks can tell
 * @param {T} [target] what it is called with
 */
function queueTask(task, target) {
  tasks.push(task);
  tasks.push(target);
  schedule();
}

/** @param {number} bytes that the task at hand deals with */
function noteBytes(bytes) {
  bytesSinceClockReading += bytes;
}

/**
 * Calls back when the script that runs now, and the microtasks after it, have ended; before any other task. False if that is up to the
 * event loop, and may be long after where it has fake parts.
 * @template T
 * @param {(target: T) => void} callback
 * @param {T} target what it is called with
 */
function afterMicrotasks(callback, target) {
  if (running) {
    append(afterCheckpoint, callback);
    append(afterCheckpoint, target);
    return true;
  }
  // nextTick callbacks run when the microtasks have drained, before anything else of the event loop.
  resolved.then(() => nextTick(callback, target));
  return false;
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  macrotask(turn);
}

/**
 * Runs steps to their end before the next task. The task that calls this must do nothing after it.
 * @param {Steps} next
 */
function runSteps(next) {
  steps = next;
}

function turn() {
  scheduled = false;
  const checkpoint = checkpointFunction();
  try {
    if (checkpoint === null) runOne();
    else runMany(checkpoint);
  } finally {
    if (steps !== null || tasks.length > 0) schedule();
  }
}

/** Without checkpoints: one listener in each macrotask. */
function runOne() {
  if (steps === null) tasks.shift()?.(tasks.shift());
  else if (!steps.step()) finishSteps();
}

/** @param {() => void} checkpoint */
function runMany(checkpoint) {
  running = true;
  try {
    runTasks(checkpoint);
  } finally {
    running = false;
  }
}

/** @param {() => void} checkpoint */
function runTasks(checkpoint) {
  const end = now() + MILLISECONDS_PER_TURN;
  for (let count = 1; count <= TASKS_PER_TURN; count += 1) {
    const task = tasks.shift();
    if (task === undefined) return;
    guarded(task, tasks.shift());
    while (steps !== null) {
      if (steps.step()) performCheckpoint(checkpoint);
      else finishSteps();
    }
    if (afterCheckpoint.length > 0) performCheckpoint(checkpoint);
    if (count % TASKS_PER_CLOCK_READING === 0 || bytesSinceClockReading > BYTES_PER_CLOCK_READING) {
      bytesSinceClockReading = 0;
      if (now() > end) return;
    }
  }
}

function finishSteps() {
  const finished = steps;
  steps = null;
  try {
    finished?.finish();
  } catch (error) {
    reportException(error);
  }
}

/**
 * A checkpoint throws what a process.nextTick callback threw, and leaves off there: the microtasks that are waiting still come
 * before anything else.
 * @param {() => void} checkpoint
 */
function performCheckpoint(checkpoint) {
  while (!guarded(checkpoint));
  if (afterCheckpoint.length === 0) return;
  const callbacks = afterCheckpoint;
  afterCheckpoint = [];
  for (let index = 0; index < callbacks.length; index += 2) guarded(callbacks[index], callbacks[index + 1]);
}

/**
 * Answers false if the callback threw; the other tasks must still be run.
 * @template [T=undefined]
 * @param {(target: T) => void} callback
 * @param {T} [target]
 */
function guarded(callback, target) {
  try {
    callback(/** @type {T} */ (target));
    return true;
  } catch (error) {
    reportException(error);
    return false;
  }
}

module.exports = { noteBytes, queueTask, runSteps, afterMicrotasks };
