// Every method of @qdrant/js-client-rest that is in scope, against documented replies. node client.js PORT
'use strict';
const path = require('path');
const { QdrantClient } = require(path.join(__dirname, '../clients/node_modules/@qdrant/js-client-rest'));
const assert = require('assert');

const client = new QdrantClient({ host: '127.0.0.1', port: Number(process.argv[2]), checkCompatibility: false });
let passed = 0, failed = 0;
async function test(name, f) {
  try {
    await f();
    passed++;
  } catch (e) {
    failed++;
    console.log(`FAILED ${name}: ${e.message} ${e.data ? JSON.stringify(e.data) : ''}`);
  }
}
const near = (a, b, name) => assert.ok(Math.abs(a - b) < 1e-4, `${name}: ${a} is not ${b}`);
const ids = (points) => points.map((p) => p.id);
async function refuses(f, status, text) {
  try {
    await f();
  } catch (e) {
    assert.strictEqual(e.status, status, `status ${e.status}: ${JSON.stringify(e.data)}`);
    const error = e.data && e.data.status && e.data.status.error;
    assert.ok(typeof error === 'string' && error.includes(text), `error text ${error}`);
    return;
  }
  assert.fail('nothing was refused');
}

const C = 'cities';
async function main() {
  await test('createCollection', async () => {
    assert.strictEqual(await client.createCollection(C, {
      vectors: { size: 4, distance: 'Dot' }, hnsw_config: { m: 8, ef_construct: 50 }, optimizers_config: { default_segment_number: 2 },
      on_disk_payload: true, replication_factor: 1 }), true);
    await refuses(() => client.createCollection(C, { vectors: { size: 4, distance: 'Dot' } }), 409, 'already exists');
    await refuses(() => client.createCollection('bad', { vectors: { size: 4, distance: 'Nearby' } }), 400, 'unknown variant');
  });
  await test('collectionExists, getCollections', async () => {
    assert.deepStrictEqual(await client.collectionExists(C), { exists: true });
    assert.deepStrictEqual(await client.collectionExists('nowhere'), { exists: false });
    assert.ok((await client.getCollections()).collections.some((c) => c.name === C));
  });
  await test('getCollection', async () => {
    const info = await client.getCollection(C);
    assert.strictEqual(info.status, 'green');
    assert.strictEqual(info.optimizer_status, 'ok');
    assert.strictEqual(info.points_count, 0);
    assert.deepStrictEqual(info.config.params.vectors, { size: 4, distance: 'Dot' });
    assert.strictEqual(info.config.params.on_disk_payload, true);
    assert.strictEqual(info.config.params.shard_number, 1);
    assert.strictEqual(info.config.hnsw_config.m, 8);
    assert.strictEqual(info.config.hnsw_config.full_scan_threshold, 10000);
    assert.strictEqual(info.config.optimizer_config.default_segment_number, 2);
    assert.deepStrictEqual(info.payload_schema, {});
    await refuses(() => client.getCollection('nowhere'), 404, "Not found: Collection `nowhere` doesn't exist!");
  });
  await test('updateCollection', async () => {
    assert.strictEqual(await client.updateCollection(C, { optimizers_config: { indexing_threshold: 12345 }, hnsw_config: { ef_construct: 123 } }), true);
    const info = await client.getCollection(C);
    assert.strictEqual(info.config.optimizer_config.indexing_threshold, 12345);
    assert.strictEqual(info.config.hnsw_config.ef_construct, 123);
  });
  await test('upsert, points and batch', async () => {
    const r = await client.upsert(C, { wait: true, points: [
      { id: 1, vector: [0.05, 0.61, 0.76, 0.74], payload: { city: 'Berlin', country: 'Germany', count: 1000000, square: 12.5, coords: { lat: 52.52, lon: 13.4 } } },
      { id: 2, vector: [0.19, 0.81, 0.75, 0.11], payload: { city: ['Berlin', 'London'], count: 2 } },
      { id: 3, vector: [0.36, 0.55, 0.47, 0.94], payload: { city: ['Berlin', 'Moscow'], count: 3 } },
      { id: 4, vector: [0.18, 0.01, 0.85, 0.8], payload: { city: ['London', 'Moscow'], opened: '2023-05-01T00:00:00Z' } }] });
    assert.strictEqual(r.status, 'completed');
    assert.strictEqual(typeof r.operation_id, 'number');
    await client.upsert(C, { wait: true, batch: { ids: ['98a9a4b1-4ef2-46fb-8315-a97d874fe1d7', 6],
      vectors: [[0.24, 0.18, 0.22, 0.44], [0.35, 0.08, 0.11, 0.44]], payloads: [{ count: 0 }, null] } });
    assert.strictEqual((await client.getCollection(C)).points_count, 6);
  });
  await test('retrieve', async () => {
    const got = await client.retrieve(C, { ids: [1, '98a9a4b1-4ef2-46fb-8315-a97d874fe1d7', 77], with_vector: true, with_payload: ['city'] });
    assert.strictEqual(got.length, 2);
    assert.deepStrictEqual(got[0].payload, { city: 'Berlin' });
    got[0].vector.forEach((x, i) => near(x, [0.05, 0.61, 0.76, 0.74][i], 'vector'));
  });
  await test('search', async () => {
    const got = await client.search(C, { vector: [0.2, 0.1, 0.9, 0.7], limit: 3, with_payload: true });
    assert.deepStrictEqual(ids(got), [4, 1, 3]);
    near(got[0].score, 1.362, 'score');
    assert.ok('version' in got[0]);
    const filtered = await client.search(C, { vector: [0.2, 0.1, 0.9, 0.7], limit: 3, filter: { should: [{ key: 'city', match: { value: 'London' } }] } });
    assert.deepStrictEqual(ids(filtered), [4, 2]);
    await refuses(() => client.search(C, { vector: [1, 2], limit: 3 }), 400, 'expected dim: 4, got 2');
  });
  await test('searchBatch', async () => {
    const got = await client.searchBatch(C, { searches: [{ vector: [0.2, 0.1, 0.9, 0.7], limit: 1 }, { vector: [0.5, 0.3, 0.2, 0.3], limit: 1 }] });
    assert.deepStrictEqual(got.map((g) => g.length), [1, 1]);
  });
  await test('query with filters of every kind', async () => {
    const count = async (filter) => (await client.count(C, { filter, exact: true })).count;
    assert.strictEqual(await count({ must: [{ key: 'count', range: { gte: 2, lt: 10 } }] }), 2);
    assert.strictEqual(await count({ must: [{ key: 'city', match: { any: ['Moscow', 'Paris'] } }] }), 2);
    assert.strictEqual(await count({ must: [{ key: 'city', match: { except: ['Berlin', 'London', 'Moscow'] } }] }), 0);
    assert.strictEqual(await count({ must_not: [{ is_empty: { key: 'count' } }] }), 4);
    assert.strictEqual(await count({ must: [{ has_id: [1, 2, 99] }] }), 2);
    assert.strictEqual(await count({ must: [{ key: 'city', values_count: { gt: 1 } }] }), 3);
    assert.strictEqual(await count({ must: [{ key: 'opened', range: { gte: '2023-01-01T00:00:00Z' } }] }), 1);
    assert.strictEqual(await count({ must: [{ key: 'coords', geo_radius: { center: { lat: 52.5, lon: 13.4 }, radius: 10000 } }] }), 1);
    assert.strictEqual(await count({ must: [{ key: 'coords', geo_bounding_box: { top_left: { lat: 53, lon: 13 }, bottom_right: { lat: 52, lon: 14 } } }] }), 1);
    assert.strictEqual(await count({ min_should: { conditions: [{ key: 'city', match: { value: 'Berlin' } }, { key: 'count', range: { gt: 2 } }], min_count: 2 } }), 2);
    assert.strictEqual(await count({ must: [{ has_vector: '' }] }), 6);
  });
  await test('createPayloadIndex, info, deletePayloadIndex', async () => {
    await client.createPayloadIndex(C, { field_name: 'city', field_schema: 'keyword', wait: true });
    await client.createPayloadIndex(C, { field_name: 'count', field_schema: { type: 'integer', lookup: true, range: true }, wait: true });
    const schema = (await client.getCollection(C)).payload_schema;
    assert.strictEqual(schema.city.data_type, 'keyword');
    assert.strictEqual(schema.city.points, 4);
    assert.deepStrictEqual(schema.count.params, { type: 'integer', lookup: true, range: true });
    assert.strictEqual((await client.count(C, { filter: { must: [{ key: 'city', match: { value: 'Berlin' } }] } })).count, 3);
    assert.strictEqual((await client.count(C, { filter: { must: [{ key: 'count', range: { lte: 2 } }] } })).count, 2);
    await client.deletePayloadIndex(C, 'count', { wait: true });
    assert.strictEqual((await client.getCollection(C)).payload_schema.count, undefined);
  });
  await test('facet', async () => {
    const got = await client.facet(C, { key: 'city' });
    assert.deepStrictEqual(got.hits[0], { value: 'Berlin', count: 3 });
    assert.strictEqual(got.hits.length, 3);
  });
  await test('scroll', async () => {
    const first = await client.scroll(C, { limit: 2 });
    assert.deepStrictEqual(ids(first.points), [1, 2]);
    assert.strictEqual(first.next_page_offset, 3);
    const rest = await client.scroll(C, { limit: 10, offset: first.next_page_offset });
    assert.strictEqual(rest.points.length, 4);
    assert.strictEqual(rest.next_page_offset, null);
    await client.createPayloadIndex(C, { field_name: 'count', field_schema: 'integer', wait: true });
    const ordered = await client.scroll(C, { limit: 3, order_by: { key: 'count', direction: 'desc' } });
    assert.deepStrictEqual(ids(ordered.points), [1, 3, 2]);
  });
  await test('payload: set, nested key, overwrite, delete, clear', async () => {
    await client.setPayload(C, { wait: true, payload: { extra: { a: 1 } }, points: [1] });
    await client.setPayload(C, { wait: true, payload: { b: 2 }, key: 'extra', points: [1] });
    let p = (await client.retrieve(C, { ids: [1] }))[0].payload;
    assert.deepStrictEqual(p.extra, { a: 1, b: 2 });
    assert.strictEqual(p.country, 'Germany');
    await client.deletePayload(C, { wait: true, keys: ['extra.a', 'square'], points: [1] });
    p = (await client.retrieve(C, { ids: [1] }))[0].payload;
    assert.deepStrictEqual(p.extra, { b: 2 });
    await client.overwritePayload(C, { wait: true, payload: { only: true }, points: [6] });
    assert.deepStrictEqual((await client.retrieve(C, { ids: [6] }))[0].payload, { only: true });
    await client.clearPayload(C, { wait: true, points: [6] });
    assert.deepStrictEqual((await client.retrieve(C, { ids: [6] }))[0].payload, {});
  });
  await test('batchUpdate', async () => {
    const r = await client.batchUpdate(C, { wait: true, operations: [
      { upsert: { points: [{ id: 10, vector: [1, 0, 0, 0], payload: { x: 1 } }] } }, { set_payload: { payload: { y: 2 }, points: [10] } },
      { delete_payload: { keys: ['x'], points: [10] } }] });
    assert.strictEqual(r.length, 3);
    assert.deepStrictEqual((await client.retrieve(C, { ids: [10] }))[0].payload, { y: 2 });
    await client.batchUpdate(C, { wait: true, operations: [{ delete: { points: [10] } }] });
    assert.deepStrictEqual(await client.retrieve(C, { ids: [10] }), []);
  });
  await test('recommend, strategies', async () => {
    const average = await client.recommend(C, { positive: [4], negative: [2], limit: 3 });
    assert.ok(!ids(average).includes(4) && !ids(average).includes(2) && average.length === 3);
    const best = await client.recommend(C, { positive: [4], negative: [2], strategy: 'best_score', limit: 3 });
    assert.strictEqual(best.length, 3);
    const sum = await client.recommend(C, { positive: [4], strategy: 'sum_scores', limit: 2 });
    assert.strictEqual(sum.length, 2);
    const batch = await client.recommendBatch(C, { searches: [{ positive: [1], limit: 1 }] });
    assert.strictEqual(batch.length, 1);
    const byVector = await client.recommend(C, { positive: [[0.1, 0.1, 0.9, 0.9]], limit: 1 });
    assert.strictEqual(byVector.length, 1);
  });
  await test('discoverPoints, discoverBatchPoints', async () => {
    const got = await client.discoverPoints(C, { target: [0.2, 0.1, 0.9, 0.7], context: [{ positive: 1, negative: 2 }], limit: 3 });
    assert.strictEqual(got.length, 3);
    assert.strictEqual((await client.discoverBatchPoints(C, { searches: [{ target: 1, limit: 1 }] })).length, 1);
  });
  await test('query: nearest, order_by, sample, fusion, prefetch', async () => {
    const nearest = await client.query(C, { query: [0.2, 0.1, 0.9, 0.7], limit: 2, with_payload: true });
    assert.deepStrictEqual(ids(nearest.points), [4, 1]);
    assert.deepStrictEqual(ids((await client.query(C, { query: 4, limit: 1 })).points).includes(4), false);
    const ordered = await client.query(C, { query: { order_by: 'count' }, limit: 2 });
    assert.strictEqual(ordered.points.length, 2);
    assert.strictEqual((await client.query(C, { query: { sample: 'random' }, limit: 3 })).points.length, 3);
    for (const fusion of ['rrf', 'dbsf']) {
      const fused = await client.query(C, { prefetch: [{ query: [0.2, 0.1, 0.9, 0.7], limit: 5 }, { query: [0.9, 0.1, 0.1, 0.1], limit: 5 }], query: { fusion }, limit: 3 });
      assert.strictEqual(fused.points.length, 3);
    }
    const rrf = await client.query(C, { prefetch: [{ query: [0.2, 0.1, 0.9, 0.7], limit: 2 }], query: { fusion: 'rrf' } });
    near(rrf.points[0].score, 0.5, 'rrf score');
    const rescored = await client.query(C, { prefetch: { query: [0.9, 0.1, 0.1, 0.1], limit: 3 }, query: [0.2, 0.1, 0.9, 0.7], limit: 2 });
    assert.strictEqual(rescored.points.length, 2);
    const context = await client.query(C, { query: { context: [{ positive: 1, negative: 2 }] }, limit: 2 });
    assert.strictEqual(context.points.length, 2);
    assert.strictEqual((await client.queryBatch(C, { searches: [{ query: 1, limit: 1 }, { query: 2, limit: 1 }] })).length, 2);
    const threshold = await client.query(C, { query: [0.2, 0.1, 0.9, 0.7], score_threshold: 1.25, limit: 10 });
    assert.deepStrictEqual(ids(threshold.points), [4, 1]);
    await refuses(() => client.query(C, { query: { fusion: 'rrf' } }), 400, 'prefetch');
  });
  await test('groups', async () => {
    const got = await client.queryGroups(C, { query: [0.2, 0.1, 0.9, 0.7], group_by: 'city', limit: 3, group_size: 1 });
    assert.strictEqual(got.groups.length, 3);
    assert.deepStrictEqual(ids(got.groups[0].hits), [4]);
    assert.strictEqual((await client.searchPointGroups(C, { vector: [0.2, 0.1, 0.9, 0.7], group_by: 'city', limit: 2, group_size: 2 })).groups.length, 2);
    assert.strictEqual((await client.recommendPointGroups(C, { positive: [1], group_by: 'city', limit: 1, group_size: 1 })).groups.length, 1);
  });
  await test('searchMatrix', async () => {
    assert.ok((await client.searchMatrixPairs(C, { sample: 4, limit: 2 })).pairs.length > 0);
    const offsets = await client.searchMatrixOffsets(C, { sample: 4, limit: 2 });
    assert.strictEqual(offsets.offsets_row.length, offsets.scores.length);
  });
  await test('vectors: update, delete; named and sparse', async () => {
    const N = 'named';
    await client.createCollection(N, { vectors: { text: { size: 3, distance: 'Cosine' }, image: { size: 2, distance: 'Euclid', on_disk: true, datatype: 'float16' } },
      sparse_vectors: { words: { modifier: 'idf' } }, quantization_config: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } } });
    const config = (await client.getCollection(N)).config;
    assert.strictEqual(config.params.vectors.image.datatype, 'float16');
    assert.deepStrictEqual(config.quantization_config, { scalar: { type: 'int8', quantile: 0.99, always_ram: true } });
    await client.upsert(N, { wait: true, points: [
      { id: 1, vector: { text: [1, 0, 0], image: [3, 4], words: { indices: [7, 1], values: [0.5, 2] } } }, { id: 2, vector: { text: [0, 1, 0] } },
      { id: 3, vector: { text: [0.6, 0.8, 0], words: { indices: [7], values: [1] } } }] });
    near((await client.search(N, { vector: { name: 'text', vector: [1, 1, 0] }, limit: 1 }))[0].score, 0.98995, 'cosine');
    near((await client.query(N, { query: [0, 0], using: 'image' })).points[0].score, 5, 'euclid');
    assert.deepStrictEqual(ids((await client.query(N, { query: { indices: [7], values: [1] }, using: 'words' })).points), [3, 1]);
    await client.updateVectors(N, { wait: true, points: [{ id: 2, vector: { image: [1, 1] } }] });
    assert.deepStrictEqual((await client.retrieve(N, { ids: [2], with_vector: ['image'] }))[0].vector, { image: [1, 1] });
    await client.deleteVectors(N, { wait: true, points: [1], vector: ['image'] });
    const left = (await client.retrieve(N, { ids: [1], with_vector: true }))[0].vector;
    assert.deepStrictEqual(Object.keys(left).sort(), ['text', 'words']);
    assert.deepStrictEqual(left.words, { indices: [1, 7], values: [2, 0.5] });
    assert.strictEqual((await client.count(N, { filter: { must: [{ has_vector: 'image' }] } })).count, 1);
    await refuses(() => client.upsert(N, { wait: true, points: [{ id: 9, vector: { nothing: [1] } }] }), 400, 'Not existing vector name error: nothing');
    const looked = await client.query(C, { query: [0.2, 0.1, 0.9, 0.7], limit: 1 });
    assert.strictEqual(looked.points.length, 1);
    await client.deleteCollection(N);
  });
  await test('aliases', async () => {
    assert.strictEqual(await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: C, alias_name: 'towns' } }] }), true);
    assert.deepStrictEqual((await client.getCollectionAliases(C)).aliases, [{ alias_name: 'towns', collection_name: C }]);
    assert.strictEqual((await client.count('towns')).count, 6);
    await client.updateCollectionAliases({ actions: [{ rename_alias: { old_alias_name: 'towns', new_alias_name: 'places' } }] });
    assert.deepStrictEqual((await client.getAliases()).aliases, [{ alias_name: 'places', collection_name: C }]);
    await client.updateCollectionAliases({ actions: [{ delete_alias: { alias_name: 'places' } }] });
    assert.deepStrictEqual((await client.getAliases()).aliases, []);
  });
  await test('delete', async () => {
    await client.delete(C, { wait: true, points: [6] });
    await client.delete(C, { wait: true, filter: { must: [{ key: 'city', match: { value: 'Moscow' } }] } });
    assert.strictEqual((await client.count(C)).count, 3);
    assert.strictEqual((await client.getCollection(C)).points_count, 3);
  });
  await test('bad input', async () => {
    await refuses(() => client.upsert(C, { wait: true, points: [{ id: 1, vector: [1, 2, 3] }] }), 400, 'Vector dimension error: expected dim: 4, got 3');
    await refuses(() => client.upsert(C, { wait: true, points: [{ id: -1, vector: [1, 2, 3, 4] }] }), 400, 'is not a valid point ID');
    await refuses(() => client.search(C, { vector: [1, 2, 3, 4], limit: 0 }), 422, 'Validation error in JSON body');
    await refuses(() => client.scroll(C, { filter: { must: [{ key: 'a', nearly: 1 }] } }), 400, 'Format error in JSON body');
    await refuses(() => client.upsert('nowhere', { points: [{ id: 1, vector: [1] }] }), 404, "doesn't exist");
    assert.ok((await client.search(C, { vector: [1, 2, 3, 4], limit: 1000000000 })).length === 3);
  });
  await test('service, locks', async () => {
    assert.ok((await client.versionInfo()).title.includes('qdrant'));
    assert.deepStrictEqual(await client.lockStorage('moving house'), { error_message: null, write: false });
    assert.deepStrictEqual(await client.getLocks(), { error_message: 'moving house', write: true });
    await refuses(() => client.delete(C, { points: [1] }), 403, 'moving house');
    await client.unlockStorage();
    assert.strictEqual((await client.getLocks()).write, false);
  });
  await test('cluster', async () => {
    const info = await client.collectionClusterInfo(C);
    assert.strictEqual(info.shard_count, 1);
    assert.strictEqual(info.local_shards[0].points_count, 3);
    await refuses(() => client.createShardKey(C, { shard_key: 'a' }), 400, 'Distributed mode disabled');
    await refuses(() => client.deleteShardKey(C, { shard_key: 'a' }), 400, 'Distributed mode disabled');
  });
  await test('snapshots: of a collection, of its shard, of everything', async () => {
    const made = await client.createSnapshot(C, { wait: true });
    assert.deepStrictEqual(await client.listSnapshots(C), [made]);
    const before = (await client.scroll(C, { with_vector: true })).points;
    await client.delete(C, { wait: true, points: before.map((p) => p.id) });
    const location = `http://127.0.0.1:${process.argv[2]}/collections/${C}/snapshots/${made.name}`;
    assert.strictEqual(await client.recoverSnapshot(C, { location, priority: 'snapshot', wait: true }), true);
    assert.deepStrictEqual((await client.scroll(C, { with_vector: true })).points, before);
    const shard = await client.createShardSnapshot(C, 0, { wait: true });
    assert.strictEqual((await client.listShardSnapshots(C, 0)).length, 1);
    await client.recoverShardFromSnapshot(C, 0, { location, wait: true });
    assert.strictEqual(await client.deleteShardSnapshot(C, 0, shard.name, { wait: true }), true);
    assert.strictEqual(await client.deleteSnapshot(C, made.name, { wait: true }), true);
    assert.deepStrictEqual(await client.listSnapshots(C), []);
    await refuses(() => client.deleteSnapshot(C, made.name, { wait: true }), 404, 'Not found');
    const full = await client.createFullSnapshot({ wait: true });
    assert.deepStrictEqual(await client.listFullSnapshots(), [full]);
    assert.strictEqual(await client.deleteFullSnapshot(full.name, { wait: true }), true);
  });
  await test('recreateCollection', async () => {
    await client.recreateCollection('again', { vectors: { size: 2, distance: 'Dot' } });
    await client.upsert('again', { wait: true, points: [{ id: 1, vector: [1, 1] }] });
    await client.recreateCollection('again', { vectors: { size: 3, distance: 'Dot' } });
    assert.strictEqual((await client.count('again')).count, 0);
    assert.strictEqual(await client.deleteCollection('again'), true);
  });
  await test('deleteCollection', async () => {
    assert.strictEqual(await client.deleteCollection(C), true);
    assert.deepStrictEqual(await client.collectionExists(C), { exists: false });
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
main();
