// ioredis: pipelines, transactions, scripts, pub/sub, blocking commands, streams, scans.
const Redis = require('ioredis');
const assert = require('assert');

async function main() {
  const port = Number(process.argv[2]);
  const redis = new Redis({ port, enableAutoPipelining: true });
  await redis.flushall();
  assert.strictEqual(await redis.set('s', 'v', 'PX', 100000), 'OK');
  assert.strictEqual(await redis.get('s'), 'v');
  assert.deepStrictEqual(await redis.getBuffer('s'), Buffer.from('v'));
  assert.deepStrictEqual(await Promise.all([...Array(100).keys()].map((i) => redis.incr('n'))), [...Array(100).keys()].map((i) => i + 1));
  assert.strictEqual(await redis.hset('h', { a: 1, b: 2 }), 2);
  assert.deepStrictEqual(await redis.hgetall('h'), { a: '1', b: '2' });
  assert.deepStrictEqual(await redis.pipeline().set('p', 1).incr('p').lpush('p', 1).exec()
    .then((r) => r.map(([e, v]) => (e ? e.message : v))), ['OK', 2, 'WRONGTYPE Operation against a key holding the wrong kind of value']);
  assert.deepStrictEqual(await redis.multi().set('m', 1).get('m').exec(), [[null, 'OK'], [null, '1']]);
  await assert.rejects(redis.multi().set('m').exec(), (e) => e.message.startsWith('EXECABORT'));
  const other = new Redis({ port });
  await redis.watch('m');
  await other.set('m', 2);
  assert.strictEqual(await redis.multi().set('m', 3).exec(), null);
  redis.defineCommand('addto', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
  assert.strictEqual(await redis.addto('m', 5), 7);
  assert.strictEqual(await redis.addto('m', 5), 12);
  const sub = new Redis({ port });
  const heard = new Promise((resolve) => sub.on('pmessage', (pattern, channel, message) => resolve([pattern, channel, message])));
  assert.strictEqual(await sub.psubscribe('c*'), 1);
  assert.strictEqual(await redis.publish('ch', 'hi'), 1);
  assert.deepStrictEqual(await heard, ['c*', 'ch', 'hi']);
  const popped = other.blpop('q', 5);
  await redis.rpush('q', 'x');
  assert.deepStrictEqual(await popped, ['q', 'x']);
  const id = await redis.xadd('st', '*', 'f', 'v');
  await redis.xgroup('CREATE', 'st', 'g', '0');
  assert.deepStrictEqual(await redis.xreadgroup('GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', 'st', '>'), [['st', [[id, ['f', 'v']]]]]);
  assert.strictEqual(await redis.xack('st', 'g', id), 1);
  assert.strictEqual(await redis.zadd('z', 1, 'a', 2, 'b'), 2);
  assert.deepStrictEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2']);
  await redis.mset(...[...Array(300).keys()].flatMap((i) => [`scan:${i}`, i]));
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: 'scan:*', count: 20 })) keys.forEach((k) => seen.add(k));
  assert.strictEqual(seen.size, 300);
  assert.deepStrictEqual(await redis.geoadd('g', 13.361389, 38.115556, 'Palermo').then(() => redis.geopos('g', 'Palermo', 'x')).then((r) => [r[0].length, r[1]]), [2, null]);
  assert.ok((await redis.info()).includes('redis_version:7.0'));
  assert.ok((await redis.command('INFO', 'get')).length === 1);
  const monitor = await other.monitor();
  const line = new Promise((resolve) => monitor.on('monitor', (time, args) => resolve(args)));
  await redis.echo('seen');
  assert.deepStrictEqual((await line).map((x) => x.toLowerCase()), ['echo', 'seen']);
  monitor.disconnect();
  [redis, other, sub].forEach((c) => c.disconnect());
  console.log('ok');
}

main().catch((e) => { console.error(e); process.exit(1); });
