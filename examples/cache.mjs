// A server that keeps the answers of a slow function for a minute, over restarts, too. Requests for the same answer at the same time wait for one call.
//
//     node examples/cache.mjs [folder]
import { createServer } from 'node:http';
import { open } from 'flowdb';

const TTL_MS = 60_000;
const db = await open(process.argv[2] ?? 'cache');

let calls = 0;
async function slow(city) {
  calls += 1;
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  return { city, celsius: city.length };
}

// One call for all who ask meanwhile; one that fails is not kept.
const cached = (city) => db.kv.getOrSet(`weather:${city}`, () => slow(city), { ttl: TTL_MS });

const server = createServer(async (request, response) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  try {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(await cached(searchParams.get('city') ?? 'Oslo')));
  } catch (error) {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: error.code ?? 'FAILED' }));
  }
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });

const ask = async (city) => (await fetch(`http://127.0.0.1:${server.address().port}/?city=${city}`)).json();
const answers = await Promise.all(Array.from({ length: 20 }, () => ask('Trondheim')));
console.log(answers.length, answers[19].celsius, 'after', calls, 'call');      // -> 20 9 after 1 call
await ask('Trondheim');
await ask('Bergen');
console.log(calls);                                                           // -> 2

// Answer what was asked, then let go of the directory.
await new Promise((resolve) => { server.close(resolve); });
await db.close();
