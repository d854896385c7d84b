// node-redis, on RESP2 and RESP3: reply shapes, transactions, scripts, pub/sub, blocking commands, streams, scans, client-side caching.
const { createClient } = require('redis');
const assert = require('assert');

async function run(port, RESP) {
  const client = createClient({ socket: { port }, RESP, unstableResp3: true });
  client.on('error', (e) => { throw e; });
  await client.connect();
  await client.flushAll();
  assert.strictEqual(await client.set('s', 'v', { EX: 100 }), 'OK');
  assert.strictEqual(await client.get('s'), 'v');
  assert.strictEqual(await client.get('none'), null);
  assert.strictEqual(await client.hSet('h', { a: 1, b: 2 }), 2);
  assert.deepStrictEqual({ ...await client.hGetAll('h') }, { a: '1', b: '2' });
  assert.deepStrictEqual((await client.hmGet('h', ['a', 'x'])), ['1', null]);
  assert.strictEqual(await client.zAdd('z', [{ score: 1.5, value: 'a' }, { score: 2, value: 'b' }]), 2);
  assert.deepStrictEqual(await client.zRangeWithScores('z', 0, -1), [{ value: 'a', score: 1.5 }, { value: 'b', score: 2 }]);
  assert.strictEqual(await client.zScore('z', 'a'), 1.5);
  assert.deepStrictEqual(await client.zPopMax('z'), { value: 'b', score: 2 });
  assert.strictEqual(await client.incrByFloat('f', 1.25), '1.25');
  assert.strictEqual(await client.sAdd('x', ['a', 'b']), 2);
  assert.strictEqual(await client.sIsMember('x', 'a'), 1);
  assert.deepStrictEqual([...await client.sMembers('x')].sort(), ['a', 'b']);
  assert.deepStrictEqual(await client.multi().set('m', '1').incr('m').lRange('none', 0, -1).exec(), ['OK', 2, []]);
  await assert.rejects(client.lPush('s', '1'), (e) => e.message.startsWith('WRONGTYPE'));
  assert.deepStrictEqual(await client.eval("return {1, 'two', redis.call('GET', KEYS[1])}", { keys: ['m'], arguments: [] }), [1, 'two', '2']);
  const sub = client.duplicate();
  await sub.connect();
  const heard = new Promise((resolve) => sub.subscribe('ch', (message, channel) => resolve([message, channel])));
  while ((await client.publish('ch', 'hi')) === 0) await new Promise(setImmediate);
  assert.deepStrictEqual(await heard, ['hi', 'ch']);
  sub.destroy();
  const waiting = client.duplicate();
  await waiting.connect();
  const popped = waiting.blPop('q', 5);
  await client.rPush('q', 'x');
  assert.deepStrictEqual({ ...await popped }, { key: 'q', element: 'x' });
  waiting.destroy();
  const id = await client.xAdd('st', '*', { f: 'v' });
  await client.xGroupCreate('st', 'g', '0');
  const read = await client.xReadGroup('g', 'c', { key: 'st', id: '>' });
  if (RESP === 3) {  // left as the server sends it
    assert.deepStrictEqual({ ...read }, { st: [[id, ['f', 'v']]] });
  } else {
    assert.strictEqual(read[0].name, 'st');
    assert.deepStrictEqual({ ...read[0].messages[0].message }, { f: 'v' });
  }
  assert.strictEqual((await client.xPending('st', 'g')).pending, 1);
  assert.strictEqual((await client.xInfoStream('st')).length, 1);
  let scanned = 0;
  for await (const keys of client.scanIterator()) scanned += Array.isArray(keys) ? keys.length : 1;
  assert.strictEqual(scanned, await client.dbSize());
  assert.deepStrictEqual(Object.keys(await client.configGet('maxmemory')), ['maxmemory']);
  assert.strictEqual((await client.commandInfo(['get']))[0].name, 'get');
  assert.ok((await client.functionStats()).engines);
  assert.strictEqual((await client.memoryUsage('s')) > 0, true);
  assert.strictEqual((await client.clientInfo()).db, 0);
  await client.aclSetUser('bob', ['on', '>pw', '~b*', '+get']);
  assert.ok([...(await client.aclGetUser('bob')).flags].includes('on'));
  await client.aclDelUser('bob');
  client.destroy();
}

async function main() {
  const port = Number(process.argv[2]);
  await run(port, 2);
  await run(port, 3);
  console.log('ok');
}

main().catch((e) => { console.error(e); process.exit(1); });
