// npm pg: simple and prepared queries, types, a pool, errors, notifications, pipelined work.
const { Client, Pool } = require('pg');
const assert = require('assert');

async function main() {
  const url = `postgres://postgres@127.0.0.1:${process.argv[2]}/stele`;
  const client = new Client(url);
  await client.connect();
  await client.query('CREATE TABLE np (id int PRIMARY KEY, t text, j jsonb, a int[], d timestamptz, n numeric)');
  await client.query('INSERT INTO np VALUES ($1, $2, $3, $4, $5, $6)',
    [1, "it's", { k: [1, null] }, [1, 2], new Date(0), '1.50']);
  const { rows, fields } = await client.query({ name: 'get', text: 'SELECT * FROM np WHERE id = $1', values: [1] });
  assert.deepStrictEqual(rows, [{ id: 1, t: "it's", j: { k: [1, null] }, a: [1, 2], d: new Date(0), n: '1.50' }]);
  assert.deepStrictEqual(fields.map((f) => f.dataTypeID), [23, 25, 3802, 1007, 1184, 1700]);
  for (let i = 0; i < 50; i++) {
    const r = await client.query({ name: 'get', text: 'SELECT * FROM np WHERE id = $1', values: [i] });
    assert.strictEqual(r.rowCount, i === 1 ? 1 : 0);
  }
  await assert.rejects(client.query('SELECT * FROM nosuch'), (e) => e.code === '42P01' && e.position === '15');
  await assert.rejects(client.query('INSERT INTO np (id) VALUES ($1)', [1]), (e) => e.code === '23505' && e.constraint === 'np_pkey');
  const many = await Promise.all([...Array(20).keys()].map((i) => client.query('SELECT $1::int AS i', [i])));
  assert.deepStrictEqual(many.map((r) => r.rows[0].i), [...Array(20).keys()]);
  const multi = await client.query('SELECT 1 AS a; SELECT 2 AS b');
  assert.strictEqual(multi[1].rows[0].b, 2);
  const heard = new Promise((resolve) => client.on('notification', resolve));
  await client.query('LISTEN npc');
  await client.query("NOTIFY npc, 'hi'");
  assert.strictEqual((await heard).payload, 'hi');
  await client.end();
  const pool = new Pool({ connectionString: url, max: 8 });
  await Promise.all([...Array(100).keys()].map((i) => pool.query('INSERT INTO np (id) VALUES ($1)', [100 + i])));
  assert.strictEqual((await pool.query('SELECT count(*)::int AS n FROM np')).rows[0].n, 101);
  await pool.end();
  console.log('ok');
}

main().catch((e) => { console.error(e); process.exit(1); });
