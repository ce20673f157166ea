'use strict';

// The two readers of the demo's data sets: one fills the database, the other one checks it. They share no code but
// must agree; and a check that cannot fail would be worth nothing.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const sources = import('../../demo/sources.mjs');
const truth = import('../../demo/truth.mjs');
const rows = import('../../demo/rows.mjs');

test('points: 3 weather series, 6 columns of an index, 5 stocks', async () => {
  const { allPoints } = await sources;
  const points = allPoints();
  assert.equal(points.length, 3 * 8759 + 6 * 5105 + 560);
  assert.equal(new Set(points.map(({ key }) => key)).size, 14);
  assert.deepEqual(points[0], { key: 'weather/pressure', ts: Date.UTC(2010, 0, 1, 1) * 1000, value: 1016.6 });
  assert.deepEqual(points.at(-1), { key: 'stocks/AAPL', ts: Date.UTC(2010, 2, 1) * 1000, value: 223.02 });
});

test('both readers find the same points', async () => {
  const { allPoints } = await sources;
  const { truthOfSeries } = await truth;
  const found = allPoints().map(({ key, ts, value }) => `${key} ${ts} ${value}`).sort();
  const expected = [...truthOfSeries()].flatMap(([key, readings]) => readings.map(({ ts, value }) => `${key} ${ts} ${value}`)).sort();
  assert.deepEqual(found, expected);
});

test('documents turn back into the rows they came from', async () => {
  const { movies, birdstrikes, earthquakes } = await sources;
  const { truthOfMovies, truthOfBirdstrikes, truthOfEarthquakes } = await truth;
  const { movieRow, birdstrikeRow, earthquakeFeature } = await rows;
  assert.deepEqual(movies().map(movieRow), truthOfMovies());
  assert.deepEqual(birdstrikes().map(birdstrikeRow), truthOfBirdstrikes().map((row) => ({ ...row })));
  assert.deepEqual(earthquakes().map(earthquakeFeature), truthOfEarthquakes());
});

test('dates in words, there and back', async () => {
  const { dateOfWords, wordsOfDate } = await sources;
  assert.equal(dateOfWords('Mar 1 2000').toISOString(), '2000-03-01T00:00:00.000Z');
  assert.equal(wordsOfDate(new Date('1928-12-31T00:00Z')), 'Dec 31 1928');
  assert.throws(() => dateOfWords('Foo 1 2000'), /not a date/);
});
