'use strict';

// Listeners, handlers and dispatch: https://dom.spec.whatwg.org/#interface-eventtarget, #concept-event-dispatch,
// https://html.spec.whatwg.org/#event-handler-attributes

const assert = require('node:assert/strict');
const { getEventListeners, on, once } = require('node:events');
const { test } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');
const { IDBVersionChangeEvent } = require('../../index.js');
const { domException, finished, openDatabase, result } = require('./support.js');

async function targets() {
  const db = await openDatabase((created) => created.createObjectStore('s').put(1, 1));
  const transaction = db.transaction('s', 'readwrite');
  return { db, transaction, request: transaction.objectStore('s').add(2, 1) };
}

test('dispatch: the path, phases and targets, at each listener and afterwards', async () => {
  const { db, transaction, request } = await targets();
  const log = [];
  const note = (event) => {
    assert.deepEqual(event.composedPath(), [request, transaction, db]);
    assert.deepEqual([event.target, event.srcElement], [request, request]);
    log.push([event.currentTarget, event.eventPhase]);
  };
  for (const target of [request, transaction, db]) {
    target.addEventListener('error', note, true);
    target.addEventListener('error', note);
  }
  let event;
  request.onerror = (given) => { event = given; given.preventDefault(); };
  await finished(transaction);
  assert.deepEqual(log, [[db, 1], [transaction, 1], [request, 2], [request, 2], [transaction, 3], [db, 3]]);
  assert.deepEqual([event.target, event.currentTarget, event.eventPhase, event.composedPath()], [request, null, 0, []]);
  assert.equal(event.defaultPrevented, true);
});

test('dispatch: stopPropagation() in a capturing listener, cancelBubble, and stopImmediatePropagation() at a parent', async () => {
  for (const [stop, expected] of [
    [(event) => event.stopPropagation(), ['transaction first', 'transaction second']],
    [(event) => { event.cancelBubble = true; }, ['transaction first', 'transaction second']],
    [(event) => event.stopImmediatePropagation(), ['transaction first']],
  ]) {
    const { db, transaction, request } = await targets();
    const log = [];
    transaction.addEventListener('error', (event) => { log.push('transaction first'); event.preventDefault(); stop(event); }, true);
    transaction.addEventListener('error', () => log.push('transaction second'), { capture: true });
    transaction.addEventListener('error', () => log.push('transaction bubbling'));
    request.onerror = () => log.push('request');
    db.onerror = () => log.push('db');
    await finished(transaction);
    assert.deepEqual(log, expected);
  }
});

test('dispatch: passive listeners cannot prevent the default, others can', async () => {
  const { transaction, request } = await targets();
  request.addEventListener('error', (event) => { event.preventDefault(); assert.equal(event.defaultPrevented, false); }, { passive: true });
  await assert.rejects(finished(transaction), domException('ConstraintError'));
  const { transaction: kept, request: failing } = await targets();
  failing.addEventListener('error', () => {}, { passive: true });
  failing.addEventListener('error', (event) => { event.preventDefault(); assert.equal(event.defaultPrevented, true); });
  await finished(kept);
});

test('dispatch: listeners that are added while it runs are not called, removed ones neither, and once means once', async () => {
  const { db } = await targets();
  const log = [];
  const removed = () => log.push('removed');
  db.addEventListener('x', () => { log.push('first'); db.removeEventListener('x', removed); db.addEventListener('x', () => log.push('added')); }, { once: true });
  db.addEventListener('x', removed);
  db.addEventListener('x', () => log.push('once'), { once: true, capture: true });
  db.dispatchEvent(new Event('x'));
  assert.deepEqual(log, ['once', 'first']);
  db.dispatchEvent(new Event('x'));
  assert.deepEqual(log, ['once', 'first', 'added']);
});

test('addEventListener(): the same type, callback and capture once; null, wrong callbacks and signals', async () => {
  const { db } = await targets();
  let calls = 0;
  const listener = () => { calls += 1; };
  for (const options of [undefined, false, true, { capture: true }, { once: true }]) db.addEventListener('x', listener, options);
  db.dispatchEvent(new Event('x'));
  assert.equal(calls, 2);
  db.removeEventListener('x', listener);
  db.removeEventListener('y', listener, true);
  db.dispatchEvent(new Event('x'));
  assert.equal(calls, 3);
  db.removeEventListener('x', listener, { capture: true });
  db.dispatchEvent(new Event('x'));
  assert.equal(calls, 3);
  assert.equal(db.addEventListener('x', null), undefined);
  for (const bad of [1, 'x', true]) assert.throws(() => db.addEventListener('x', bad), TypeError);
  assert.throws(() => db.removeEventListener('x', 1), TypeError);
  assert.throws(() => db.addEventListener('x'), TypeError);
  assert.throws(() => db.addEventListener('x', listener, { signal: null }), TypeError);
  db.addEventListener('x', listener, { signal: AbortSignal.abort() });
  const controller = new AbortController();
  db.addEventListener('x', listener, { signal: controller.signal });
  db.dispatchEvent(new Event('x'));
  assert.equal(calls, 4);
  controller.abort();
  db.dispatchEvent(new Event('x'));
  assert.equal(calls, 4);
});

test('addEventListener(): a signal forgets a listener that was removed, was called once, or whose target nobody refers to', async () => {
  const { db } = await targets();
  const { signal } = new AbortController();
  const subscribed = () => getEventListeners(signal, 'abort').length;
  const listener = () => {};
  db.addEventListener('x', listener, { signal });
  db.addEventListener('x', listener, { signal, capture: true, once: true });
  db.addEventListener('x', listener, { signal });
  assert.equal(subscribed(), 2);
  db.dispatchEvent(new Event('x'));
  assert.equal(subscribed(), 1);
  db.removeEventListener('x', listener);
  assert.equal(subscribed(), 0);
  for (let i = 0; i < 20; i += 1) {
    const request = db.transaction('s').objectStore('s').get(1);
    // The listener refers to its target, as most do.
    request.addEventListener('success', () => request.result, { signal });
    assert.equal(await result(request), 1);
  }
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  // The last one may still be on its way.
  for (let attempt = 0; attempt < 200 && subscribed() > 1; attempt += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 5); });
    collect();
  }
  assert.ok(subscribed() <= 1, `${subscribed()} targets are still known`);
});

test('listeners: functions get the target as this, objects their handleEvent, looked up at each event', async (t) => {
  const errors = [];
  globalThis.reportError = (error) => errors.push(error);
  t.after(() => { delete globalThis.reportError; });
  const { db } = await targets();
  const log = [];
  db.addEventListener('x', function (event) { log.push([this, event.type]); });
  const object = { handleEvent() { log.push(['first', this]); } };
  db.addEventListener('x', object);
  db.addEventListener('x', {});
  db.dispatchEvent(new Event('x'));
  object.handleEvent = function (event) { log.push(['second', event.currentTarget]); };
  db.dispatchEvent(new Event('x'));
  assert.deepEqual(log, [[db, 'x'], ['first', object], [db, 'x'], ['second', db]]);
  assert.ok(errors.length === 2 && errors.every((error) => error instanceof TypeError));
});

test('event handlers: functions and objects are kept, others are null; an object is not called', async () => {
  const { db, transaction, request } = await targets();
  for (const [target, names] of [
    [db, ['onabort', 'onclose', 'onerror', 'onversionchange']], [transaction, ['onabort', 'oncomplete', 'onerror']], [request, ['onsuccess', 'onerror']],
  ]) {
    for (const name of names) {
      assert.equal(target[name], null);
      for (const value of [() => {}, { handleEvent: () => assert.fail('called') }]) {
        target[name] = value;
        assert.equal(target[name], value);
        target.dispatchEvent(new Event(name.slice(2)));
      }
      for (const value of [1, 'x', undefined, null, true]) {
        target[name] = () => {};
        target[name] = value;
        assert.equal(target[name], null);
      }
    }
  }
});

test('event handlers: unset and set again they go to the end; only false prevents the default', async () => {
  const { db } = await targets();
  const log = [];
  db.onclose = () => log.push('first');
  db.addEventListener('close', () => log.push('listener'));
  db.onclose = null;
  db.dispatchEvent(new Event('close'));
  db.onclose = () => log.push('second');
  db.dispatchEvent(new Event('close'));
  assert.deepEqual(log, ['listener', 'listener', 'second']);
  for (const [returned, kept] of [[false, false], [undefined, true], [0, true], [null, true], [true, true]]) {
    db.onerror = () => returned;
    assert.equal(db.dispatchEvent(new Event('error', { cancelable: true })), kept, String(returned));
  }
  db.onerror = null;
  db.addEventListener('error', () => false);
  assert.equal(db.dispatchEvent(new Event('error', { cancelable: true })), true);
});

test('dispatchEvent(): of events of scripts, along the same path, one at a time', async () => {
  const { db, transaction, request } = await targets();
  const log = [];
  for (const target of [request, transaction, db]) {
    target.addEventListener('mine', (event) => log.push([event.currentTarget, event.eventPhase, event.target, event.composedPath().length]));
  }
  request.dispatchEvent(new Event('mine'));
  const event = new Event('mine', { bubbles: true });
  assert.equal(request.dispatchEvent(event), true);
  assert.deepEqual(log, [[request, 2, request, 3], [request, 2, request, 3], [transaction, 3, request, 3], [db, 3, request, 3]]);
  assert.deepEqual([event.target, event.currentTarget, event.eventPhase], [request, null, 0]);
  db.addEventListener('nested', (given) => assert.throws(() => db.dispatchEvent(given), domException('InvalidStateError')));
  db.dispatchEvent(new Event('nested'));
  for (const bad of [{}, null, 'x']) assert.throws(() => db.dispatchEvent(bad), TypeError);
  assert.throws(() => db.dispatchEvent(), TypeError);
  const stopped = new Event('mine', { bubbles: true });
  request.addEventListener('mine', (given) => given.stopImmediatePropagation(), { capture: true });
  log.length = 0;
  request.dispatchEvent(stopped);
  assert.deepEqual(log, []);
});

test('events: a fired event is trusted to be of its class, and can be looked at before and after', async () => {
  const { db } = await targets();
  const transaction = db.transaction('s');
  const request = transaction.objectStore('s').get(1);
  const event = await new Promise((resolve) => { request.onsuccess = resolve; });
  assert.equal(Object.prototype.toString.call(event), '[object Event]');
  assert.equal(event.constructor, Event);
  assert.deepEqual([event.type, event.bubbles, event.cancelable], ['success', false, false]);
  event.preventDefault();
  assert.equal(event.defaultPrevented, false);
  assert.equal(await result(db.transaction('s').objectStore('s').get(1)), 1);
});

test('preventDefault(): of an event of a script that nobody listens to, after its dispatch', async () => {
  const { request } = await targets();
  request.onerror = (event) => event.preventDefault();
  const event = new IDBVersionChangeEvent('nobody', { cancelable: true });
  request.dispatchEvent(event);
  event.preventDefault();
  assert.equal(event.defaultPrevented, true);
});

test('dispatchEvent(): what stopped an event does not stop its next dispatch', async () => {
  const stops = [
    (event) => event.stopPropagation(),
    (event) => event.stopImmediatePropagation(),
    (event) => { event.cancelBubble = true; },
  ];
  for (const [index, stop] of stops.entries()) {
    const { db, request } = await targets();
    const event = index === 2 ? new IDBVersionChangeEvent('mine', { bubbles: true }) : new Event('mine', { bubbles: true });
    let heard = 0;
    request.addEventListener('mine', (given) => {
      stop(given);
      assert.equal(given.cancelBubble, true);
      given.cancelBubble = false; // does nothing
      assert.equal(given.cancelBubble, true);
    }, { once: true });
    db.addEventListener('mine', () => { heard += 1; });
    request.dispatchEvent(event);
    assert.deepEqual([heard, event.cancelBubble], [0, false]);
    request.dispatchEvent(event);
    assert.equal(heard, 1);
    event.stopPropagation();
    request.dispatchEvent(event);
    assert.equal(heard, 1);
  }
});

test('dispatchEvent(): of an event that was fired before, and stopped', async () => {
  const { db, request, transaction } = await targets();
  request.onerror = (event) => { event.preventDefault(); event.stopPropagation(); };
  let heard = 0;
  const event = await new Promise((resolve) => { transaction.addEventListener('error', resolve, { capture: true }); });
  await finished(transaction);
  request.onerror = null;
  db.addEventListener('error', () => { heard += 1; });
  assert.equal(event.cancelBubble, false);
  request.dispatchEvent(event);
  assert.equal(heard, 1);
  event.stopImmediatePropagation();
  assert.equal(event.cancelBubble, true);
  request.dispatchEvent(event);
  assert.equal(heard, 1);
});

test('dispatchEvent(): an event can be dispatched elsewhere afterwards', async () => {
  const { request } = await targets();
  const event = new Event('mine');
  const other = new EventTarget();
  const seen = [];
  other.addEventListener('mine', ({ target, srcElement, currentTarget, eventPhase }) => seen.push([target, srcElement, currentTarget, eventPhase]));
  request.dispatchEvent(event);
  assert.deepEqual([event.target, event.currentTarget, event.eventPhase, event.composedPath()], [request, null, 0, []]);
  other.dispatchEvent(event);
  assert.equal(event.target, other);
  request.dispatchEvent(event);
  assert.equal(event.target, request);
  other.dispatchEvent(event);
  assert.deepEqual(seen, [[other, other, other, 2], [other, other, other, 2]]);
  for (const name of ['cancelBubble', 'composedPath', 'currentTarget', 'eventPhase', 'stopImmediatePropagation', 'stopPropagation']) {
    assert.equal(Object.hasOwn(event, name), false, name);
  }
  const composedPath = () => [];
  const own = Object.assign(new Event('mine'), { composedPath });
  request.dispatchEvent(own);
  assert.equal(own.composedPath, composedPath);
});

test("Node's helpers: once() and on() work, the listeners are not those of the native EventTarget", async () => {
  const { db, transaction, request } = await targets();
  const ignored = () => assert.fail('a native listener was called');
  const addNatively = (target) => EventTarget.prototype.addEventListener.call(target, 'mine', ignored);
  db.addEventListener('mine', () => {});
  assert.deepEqual(getEventListeners(db, 'mine'), []);
  addNatively(db);
  db.dispatchEvent(new Event('mine'));
  for (const target of [transaction, request]) {
    for (const attempt of [() => addNatively(target), () => assert.deepEqual(getEventListeners(target, 'other'), [])]) {
      try {
        attempt();
      } catch (error) {
        assert.ok(error instanceof TypeError); // up to Node 22
      }
    }
    target.dispatchEvent(new Event('mine'));
  }
  request.onerror = (event) => event.preventDefault();
  assert.equal((await once(transaction, 'complete'))[0].type, 'complete');
  assert.equal((await once(db.transaction('s').objectStore('s').get(1), 'success'))[0].target.result, 1);
  const events = on(db, 'mine');
  db.dispatchEvent(new Event('mine'));
  assert.equal((await events.next()).value[0].type, 'mine');
  await events.return();
});

test('an event of ours that is sent on after its dispatch is stopped there like any other', async () => {
  const { request, transaction } = await targets();
  const event = await new Promise((resolve) => { request.onerror = (error) => { error.preventDefault(); resolve(error); }; });
  await finished(transaction);
  const bus = new EventTarget();
  const calls = [];
  bus.addEventListener('error', (sent) => { calls.push(1); sent.stopImmediatePropagation(); });
  bus.addEventListener('error', () => calls.push(2));
  bus.dispatchEvent(event);
  assert.deepEqual(calls, [1]);
});

test('an event of ours that is sent on after its dispatch tells of the dispatch that runs, and then of the last one', async () => {
  const { request, transaction, db } = await targets();
  const event = await new Promise((resolve) => { request.onerror = (error) => { error.preventDefault(); resolve(error); }; });
  await finished(transaction);
  const seen = [];
  const look = () => [event.target, event.srcElement, event.currentTarget, event.eventPhase, event.composedPath()];
  const bus = new EventTarget();
  bus.addEventListener('error', () => seen.push(look()));
  db.addEventListener('error', () => seen.push(look()));
  bus.dispatchEvent(event);
  assert.deepEqual(look(), [bus, bus, null, 0, []]);
  db.dispatchEvent(event);
  assert.deepEqual(look(), [db, db, null, 0, []]);
  bus.dispatchEvent(event);
  assert.deepEqual(look(), [bus, bus, null, 0, []]);
  assert.deepEqual(seen, [[bus, bus, bus, 2, [bus]], [db, db, db, 2, [db]], [bus, bus, bus, 2, [bus]]]);
});

test('an event of a script, too', async () => {
  const { db } = await targets();
  const event = new Event('mine');
  const bus = new EventTarget();
  const seen = [];
  for (const target of [bus, db]) target.addEventListener('mine', () => seen.push(event.target));
  for (const target of [bus, db, bus]) {
    target.dispatchEvent(event);
    assert.equal(event.target, target);
  }
  assert.deepEqual(seen, [bus, db, bus]);
});

test('listeners: a function with a `call` of its own, or without a prototype, is called like any other', async (t) => {
  globalThis.reportError = assert.fail;
  t.after(() => { delete globalThis.reportError; });
  const { db } = await targets();
  const called = [];
  const withCall = (name) => Object.assign(function () { called.push([name, this]); return false; }, { call: 'a phone number' });
  const bare = Object.setPrototypeOf(function () { called.push(['bare', this]); }, null);
  const object = { handleEvent: withCall('object') };
  db.onerror = withCall('handler');
  db.addEventListener('error', withCall('function'));
  db.addEventListener('error', object);
  db.addEventListener('error', bare);
  const event = new Event('error', { cancelable: true });
  assert.equal(db.dispatchEvent(event), false);
  assert.deepEqual(called, [['handler', db], ['function', db], ['object', object], ['bare', db]]);
});

test('returnValue: false prevents the default, though not in a passive listener', async () => {
  const { request, transaction } = await targets();
  const values = [];
  request.addEventListener('error', (event) => { event.returnValue = false; values.push(event.returnValue); }, { passive: true });
  request.addEventListener('error', (event) => { event.returnValue = true; values.push(event.returnValue); });
  request.addEventListener('error', (event) => { event.returnValue = false; values.push(event.returnValue, event.defaultPrevented); });
  await finished(transaction);
  assert.deepEqual(values, [true, true, false, true]);
});

test('removeEventListener() asks its options for nothing but capture', async () => {
  const { db } = await targets();
  const listener = () => assert.fail('it was removed');
  const only = (capture) => new Proxy({}, { get(_, name) { assert.equal(name, 'capture'); return capture; } });
  db.addEventListener('x', listener);
  db.addEventListener('x', listener, true);
  db.removeEventListener('x', listener, { signal: null });
  db.removeEventListener('x', listener, only(1));
  db.dispatchEvent(new Event('x'));
  db.addEventListener('x', listener);
  db.removeEventListener('x', listener, only(''));
  db.dispatchEvent(new Event('x'));
});
