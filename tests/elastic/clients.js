// Every API of the Elasticsearch door through @elastic/elasticsearch, replies compared field by field.
// node clients.js elasticsearch8|elasticsearch9 URL
const path = require('path');
const { Client } = require(path.join(__dirname, '..', 'clients', 'node_modules', process.argv[2]));
const client = new Client({ node: process.argv[3] });

let passed = 0, failed = 0;
const ANY = Symbol('any'), NUMBER = Symbol('number'), STRING = Symbol('string');
function differs(got, want, at) {
  if (want === ANY) return got === undefined ? `${at} is missing` : null;
  if (want === NUMBER) return typeof got === 'number' ? null : `${at} is ${JSON.stringify(got)}, not a number`;
  if (want === STRING) return typeof got === 'string' && got !== '' ? null : `${at} is ${JSON.stringify(got)}, not a text`;
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length) return `${at} is ${JSON.stringify(got)}, expected ${want.length} elements`;
    for (let i = 0; i < want.length; i++) { const d = differs(got[i], want[i], `${at}[${i}]`); if (d) return d; }
    return null;
  }
  if (want !== null && typeof want === 'object') {
    if (got === null || typeof got !== 'object') return `${at} is ${JSON.stringify(got)}`;
    for (const k of Reflect.ownKeys(want)) { const d = differs(got[k], want[k], `${at}.${String(k)}`); if (d) return d; }
    const extra = Object.keys(got).filter((k) => !(k in want));
    return extra.length ? `${at} has ${extra.join(', ')} too` : null;
  }
  if (typeof want === 'number' && typeof got === 'number' && !Number.isInteger(want)) return Math.abs(got - want) < 1e-5 ? null : `${at} is ${got}, expected ${want}`;
  return got === want ? null : `${at} is ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`;
}
function same(name, got, want) {
  const d = differs(got, want, 'reply');
  if (d) { failed++; console.log(`FAILED ${name}: ${d}`); } else passed++;
}
async function run(name, f) {
  try { await f(); } catch (e) { failed++; console.log(`FAILED ${name}: ${e.name} ${e.message} ${e.meta ? JSON.stringify(e.meta.body) : e.stack}`); }
}
async function fails(name, f, status, want) {
  try { await f(); failed++; console.log(`FAILED ${name}: no error`); } catch (e) {
    if (!e.meta) { failed++; console.log(`FAILED ${name}: ${e.stack}`); return; }
    same(`${name}: status`, [e.statusCode, e.meta.body && e.meta.body.status], [status, status]);
    const { type, reason } = e.meta.body.error;
    same(name, { type, reason, root: e.meta.body.error.root_cause && e.meta.body.error.root_cause.length > 0 }, { ...want, root: true });
  }
}
const SHARDS = { total: 1, successful: 1, skipped: 0, failed: 0 };
const WROTE = { total: 2, successful: 1, failed: 0 };
const ids = (r) => r.hits.hits.map((h) => h._id);
const search = (query, more = {}) => client.search({ index: 'films', query, ...more });

const films = [
  { title: 'The Quick Brown Fox', plot: 'A fox runs through the brown woods', century: 1, year: 1950, genre: ['western'], released: '1950-06-01', rating: 6.5, place: { lat: 10, lon: 10 }, seen: true, ip: '10.0.0.1' },
  { title: 'Brown Bear, Brown Bear', plot: 'A bear and another bear', century: 2, year: 1967, genre: ['family', 'animation'], released: '1967-03-15', rating: 7.5, place: { lat: 20, lon: 20 }, seen: false, ip: '10.0.0.2' },
  { title: 'Quick Change', plot: 'Bank robbers in disguise', century: 2, year: 1990, genre: ['comedy'], released: '1990-07-13', rating: 6.9, place: { lat: 40.7, lon: -74 }, seen: true, ip: '192.168.1.1' },
  { title: 'The Fox and the Hound', plot: 'A fox and a hound become friends', century: 2, year: 1981, genre: ['family', 'animation'], released: '1981-07-10', rating: 7.3, place: { lat: 50, lon: 0 }, seen: false, ip: '192.168.1.2' },
];

async function documents() {
  same('index', await client.index({ index: 'books', id: '1', document: { title: 'Stones', pages: 10 } }), { _index: 'books', _id: '1', _version: 1, result: 'created', _shards: WROTE, _seq_no: 0, _primary_term: 1 });
  same('index again', await client.index({ index: 'books', id: '1', refresh: true, document: { title: 'Stones', pages: 11 } }), { _index: 'books', _id: '1', _version: 2, result: 'updated', forced_refresh: true, _shards: WROTE, _seq_no: 1, _primary_term: 1 });
  const auto = await client.index({ index: 'books', document: { title: 'Nameless' } });
  same('index without id', auto, { _index: 'books', _id: STRING, _version: 1, result: 'created', _shards: WROTE, _seq_no: 2, _primary_term: 1 });
  same('delete', await client.delete({ index: 'books', id: auto._id }), { _index: 'books', _id: auto._id, _version: 2, result: 'deleted', _shards: WROTE, _seq_no: 3, _primary_term: 1 });
  same('create', await client.create({ index: 'books', id: '2', document: { title: 'Rocks', pages: 20, author: { name: 'Ann', born: 1950 } } }), { _index: 'books', _id: '2', _version: 1, result: 'created', _shards: WROTE, _seq_no: 4, _primary_term: 1 });
  await fails('create twice', () => client.create({ index: 'books', id: '2', document: {} }), 409, { type: 'version_conflict_engine_exception', reason: '[2]: version conflict, document already exists (current version [1])' });
  same('get', await client.get({ index: 'books', id: '2' }), { _index: 'books', _id: '2', _version: 1, _seq_no: 4, _primary_term: 1, found: true, _source: { title: 'Rocks', pages: 20, author: { name: 'Ann', born: 1950 } } });
  same('get with _source filters', (await client.get({ index: 'books', id: '2', _source_includes: ['author.*', 'pages'], _source_excludes: ['author.born'] }))._source, { pages: 20, author: { name: 'Ann' } });
  same('exists', [await client.exists({ index: 'books', id: '2' }), await client.exists({ index: 'books', id: 'none' })], [true, false]);
  same('get_source', await client.getSource({ index: 'books', id: '2', _source_includes: ['title'] }), { title: 'Rocks' });
  same('exists_source', await client.existsSource({ index: 'books', id: '2' }), true);
  same('update', await client.update({ index: 'books', id: '2', doc: { pages: 21 }, _source: true }), { _index: 'books', _id: '2', _version: 2, result: 'updated', _shards: WROTE, _seq_no: 5, _primary_term: 1, get: { _seq_no: 5, _primary_term: 1, found: true, _source: { title: 'Rocks', pages: 21, author: { name: 'Ann', born: 1950 } } } });
  same('update noop', await client.update({ index: 'books', id: '2', doc: { pages: 21 } }), { _index: 'books', _id: '2', _version: 2, result: 'noop', _shards: { total: 0, successful: 0, failed: 0 }, _seq_no: 5, _primary_term: 1 });
  same('upsert', (await client.update({ index: 'books', id: '3', doc: { pages: 5 }, upsert: { title: 'New' } })).result, 'created');
  same('upsert made', await client.getSource({ index: 'books', id: '3' }), { title: 'New' });
  await fails('update missing', () => client.update({ index: 'books', id: 'none', doc: { a: 1 } }), 404, { type: 'document_missing_exception', reason: '[none]: document missing' });
  await fails('if_seq_no', () => client.index({ index: 'books', id: '2', if_seq_no: 1, if_primary_term: 1, document: {} }), 409, { type: 'version_conflict_engine_exception', reason: '[2]: version conflict, required seqNo [1], primary term [1]. current document has seqNo [5] and primary term [1]' });
  same('if_seq_no that fits', (await client.index({ index: 'books', id: '2', if_seq_no: 5, if_primary_term: 1, document: { title: 'Rocks' } }))._version, 3);
  same('external version', (await client.index({ index: 'books', id: '9', version: 42, version_type: 'external', document: {} }))._version, 42);
  await fails('external version too old', () => client.index({ index: 'books', id: '9', version: 41, version_type: 'external', document: {} }), 409, { type: 'version_conflict_engine_exception', reason: '[9]: version conflict, current version [42] is higher or equal to the one provided [41]' });
  same('routing', (await client.index({ index: 'books', id: '10', routing: 'r', document: {} }), (await client.get({ index: 'books', id: '10', routing: 'r' }))._routing), 'r');
  try { await client.get({ index: 'books', id: 'none' }); failed++; } catch (e) { same('get missing', [e.statusCode, e.meta.body], [404, { _index: 'books', _id: 'none', found: false }]); }
  await fails('get from no index', () => client.get({ index: 'nothing', id: '1' }), 404, { type: 'index_not_found_exception', reason: 'no such index [nothing]' });
  same('mget', await client.mget({ docs: [{ _index: 'books', _id: '3' }, { _index: 'books', _id: 'none' }, { _index: 'books', _id: '2', _source: false }] }), { docs: [
    { _index: 'books', _id: '3', _version: 1, _seq_no: ANY, _primary_term: 1, found: true, _source: { title: 'New' } }, { _index: 'books', _id: 'none', found: false },
    { _index: 'books', _id: '2', _version: 3, _seq_no: ANY, _primary_term: 1, found: true }] });
  same('delete missing', (await client.delete({ index: 'books', id: 'none' }, { ignore: [404] })), { _index: 'books', _id: 'none', _version: 1, result: 'not_found', _shards: WROTE, _seq_no: ANY, _primary_term: 1 });
  const bulk = await client.bulk({ operations: [{ index: { _index: 'books', _id: 'b1' } }, { title: 'x' }, { create: { _index: 'books', _id: 'b1' } }, { title: 'y' }, { update: { _index: 'books', _id: 'b1' } }, { doc: { pages: 1 } }, { delete: { _index: 'books', _id: 'b1' } }, { delete: { _index: 'books', _id: 'b1' } }] });
  same('bulk', bulk, { errors: true, took: NUMBER, items: [
    { index: { _index: 'books', _id: 'b1', _version: 1, result: 'created', _shards: WROTE, _seq_no: ANY, _primary_term: 1, status: 201 } },
    { create: { _index: 'books', _id: 'b1', status: 409, error: { type: 'version_conflict_engine_exception', reason: '[b1]: version conflict, document already exists (current version [1])', index_uuid: STRING, shard: '0', index: 'books' } } },
    { update: { _index: 'books', _id: 'b1', _version: 2, result: 'updated', _shards: WROTE, _seq_no: ANY, _primary_term: 1, status: 200 } },
    { delete: { _index: 'books', _id: 'b1', _version: 3, result: 'deleted', _shards: WROTE, _seq_no: ANY, _primary_term: 1, status: 200 } },
    { delete: { _index: 'books', _id: 'b1', _version: ANY, result: 'not_found', _shards: WROTE, _seq_no: ANY, _primary_term: 1, status: 404 } }] });
}

async function indices() {
  same('create index', await client.indices.create({ index: 'films', settings: { number_of_replicas: 0 }, mappings: { properties: {
    title: { type: 'text', fields: { raw: { type: 'keyword' } } }, plot: { type: 'text', analyzer: 'english' }, year: { type: 'integer' }, genre: { type: 'keyword' }, released: { type: 'date' }, rating: { type: 'double' },
    place: { type: 'geo_point' }, seen: { type: 'boolean' }, ip: { type: 'ip' } } } }), { acknowledged: true, shards_acknowledged: true, index: 'films' });
  await fails('create it again', () => client.indices.create({ index: 'films' }), 400, { type: 'resource_already_exists_exception', reason: ANY });
  await fails('bad name', () => client.indices.create({ index: 'Films' }), 400, { type: 'invalid_index_name_exception', reason: 'Invalid index name [Films], must be lowercase' });
  const operations = films.flatMap((f, i) => [{ index: { _index: 'films', _id: String(i) } }, f]);
  same('bulk of films', (await client.bulk({ operations })).errors, false);
  const all = await client.indices.get({ index: 'films' });
  same('get index', all, { films: { aliases: {}, mappings: ANY, settings: { index: { routing: ANY, number_of_shards: '1', provided_name: 'films', creation_date: STRING, number_of_replicas: '0', uuid: STRING, version: { created: STRING } } } } });
  same('exists index', [await client.indices.exists({ index: 'films' }), await client.indices.exists({ index: 'nothing' })], [true, false]);
  same('put mapping', await client.indices.putMapping({ index: 'films', properties: { note: { type: 'text', copy_to: 'everything' }, everything: { type: 'text' }, labels: { type: 'flattened' }, film_title: { type: 'alias', path: 'title' } } }), { acknowledged: true });
  same('get mapping', (await client.indices.getMapping({ index: 'films' })).films.mappings.properties.note, { type: 'text', copy_to: ['everything'] });
  same('get field mapping', await client.indices.getFieldMapping({ index: 'films', fields: 'title' }), { films: { mappings: { title: { full_name: 'title', mapping: { title: { type: 'text', fields: { raw: { type: 'keyword' } } } } } } } });
  await fails('mapping conflict', () => client.indices.putMapping({ index: 'films', properties: { year: { type: 'keyword' } } }), 400, { type: 'illegal_argument_exception', reason: 'mapper [year] cannot be changed from type [integer] to [keyword]' });
  same('put settings', await client.indices.putSettings({ index: 'films', settings: { index: { refresh_interval: '5s' } } }), { acknowledged: true });
  same('get settings', (await client.indices.getSettings({ index: 'films', name: 'index.refresh_interval', flat_settings: true })), { films: { settings: { 'index.refresh_interval': '5s' } } });
  same('put alias', await client.indices.putAlias({ index: 'films', name: 'old', filter: { range: { year: { lt: 1970 } } } }), { acknowledged: true });
  same('get alias', await client.indices.getAlias({ name: 'old' }), { films: { aliases: { old: { filter: { range: { year: { lt: 1970 } } } } } } });
  same('exists alias', await client.indices.existsAlias({ name: 'old' }), true);
  same('search through a filtered alias', ids(await client.search({ index: 'old', sort: ['year'] })), ['0', '1']);
  same('update aliases', await client.indices.updateAliases({ actions: [{ add: { index: 'films', alias: 'new' } }, { remove: { index: 'films', alias: 'old' } }] }), { acknowledged: true, errors: false });
  same('delete alias', await client.indices.deleteAlias({ index: 'films', name: 'new' }), { acknowledged: true });
  for (const api of ['refresh', 'flush', 'clearCache']) same(api, await client.indices[api]({ index: 'films' }), { _shards: { total: 1, successful: 1, failed: 0 } });
  same('forcemerge', await client.indices.forcemerge({ index: 'films' }), { _shards: { total: 1, successful: 1, failed: 0 } });
  same('close', await client.indices.close({ index: 'books' }), { acknowledged: true, shards_acknowledged: true, indices: { books: { closed: true } } });
  await fails('search in a closed index', () => client.search({ index: 'books' }), 400, { type: 'index_closed_exception', reason: 'closed' });
  same('open', await client.indices.open({ index: 'books' }), { acknowledged: true, shards_acknowledged: true });
  same('component template', await client.cluster.putComponentTemplate({ name: 'common', template: { mappings: { properties: { made: { type: 'date' } } } } }), { acknowledged: true });
  same('index template', await client.indices.putIndexTemplate({ name: 'logs', index_patterns: ['logs-*'], priority: 5, composed_of: ['common'], template: { settings: { number_of_replicas: 0 }, mappings: { properties: { level: { type: 'keyword' } } }, aliases: { everything: {} } } }), { acknowledged: true });
  same('get index template', await client.indices.getIndexTemplate({ name: 'logs' }), { index_templates: [{ name: 'logs', index_template: { index_patterns: ['logs-*'], template: { settings: { index: { number_of_replicas: '0' } }, mappings: { properties: { level: { type: 'keyword' } } }, aliases: { everything: {} } }, composed_of: ['common'], priority: 5 } }] });
  same('exists index template', await client.indices.existsIndexTemplate({ name: 'logs' }), true);
  await client.indices.create({ index: 'logs-1' });
  same('a template applies', (await client.indices.getMapping({ index: 'logs-1' }))['logs-1'].mappings.properties, { level: { type: 'keyword' }, made: { type: 'date' } });
  same('simulate index template', (await client.indices.simulateIndexTemplate({ name: 'logs-9' })).template.aliases, { everything: {} });
  same('simulate template', Object.keys((await client.indices.simulateTemplate({ name: 'logs' })).template.mappings.properties).sort(), ['level', 'made']);
  same('delete index template', await client.indices.deleteIndexTemplate({ name: 'logs' }), { acknowledged: true });
  same('legacy template', await client.indices.putTemplate({ name: 't', index_patterns: ['t-*'], mappings: { properties: { a: { type: 'long' } } } }), { acknowledged: true });
  same('get legacy template', await client.indices.getTemplate({ name: 't' }), { t: { order: 0, index_patterns: ['t-*'], settings: {}, mappings: { properties: { a: { type: 'long' } } }, aliases: {} } });
  same('exists legacy template', await client.indices.existsTemplate({ name: 't' }), true);
  same('delete legacy template', await client.indices.deleteTemplate({ name: 't' }), { acknowledged: true });
  same('analyze', await client.indices.analyze({ analyzer: 'standard', text: 'The Fox' }), { tokens: [{ token: 'the', start_offset: 0, end_offset: 3, type: '<ALPHANUM>', position: 0 }, { token: 'fox', start_offset: 4, end_offset: 7, type: '<ALPHANUM>', position: 1 }] });
  same('analyze by field', (await client.indices.analyze({ index: 'films', field: 'plot', text: 'running foxes' })).tokens.map((t) => t.token), ['run', 'fox']);
  same('validate', await client.indices.validateQuery({ index: 'films', query: { match: { title: 'fox' } } }), { _shards: { total: 1, successful: 1, failed: 0 }, valid: true });
  const stats = await client.indices.stats({ index: 'films', metric: 'docs' });
  same('stats', [stats._shards, stats._all.primaries.docs.count, stats.indices.films.total.docs.count], [{ total: 1, successful: 1, failed: 0 }, 4, 4]);
  same('field_caps', await client.fieldCaps({ index: 'films', fields: ['year', 'title'] }), { indices: ['films'], fields: {
    year: { integer: { type: 'integer', metadata_field: false, searchable: true, aggregatable: true } }, title: { text: { type: 'text', metadata_field: false, searchable: true, aggregatable: false } } } });
  same('resolve index', await client.indices.resolveIndex({ name: 'film*' }), { indices: [{ name: 'films', attributes: ['open'] }], aliases: [], data_streams: [] });
  await client.indices.putSettings({ index: 'films', settings: { 'index.blocks.write': true } });
  same('clone', await client.indices.clone({ index: 'films', target: 'films2' }), { acknowledged: true, shards_acknowledged: true, index: 'films2' });
  same('a clone has everything', (await client.count({ index: 'films2' })).count, 4);
  await client.indices.putSettings({ index: 'films', settings: { 'index.blocks.write': null } });
  same('rollover', (await client.indices.create({ index: 'roll-000001', aliases: { roll: { is_write_index: true } } }), await client.indices.rollover({ alias: 'roll' })), { acknowledged: true, shards_acknowledged: true, old_index: 'roll-000001', new_index: 'roll-000002', rolled_over: true, dry_run: false, lazy: ANY, conditions: {} });
  same('delete index', await client.indices.delete({ index: ['films2', 'logs-1', 'roll-*'] }), { acknowledged: true });
  await fails('delete what is not there', () => client.indices.delete({ index: 'nothing' }), 404, { type: 'index_not_found_exception', reason: 'no such index [nothing]' });
}

async function queries() {
  const reply = await search({ term: { year: 1950 } });
  same('search', reply, { took: NUMBER, timed_out: false, _shards: SHARDS, hits: { total: { value: 1, relation: 'eq' }, max_score: 1, hits: [{ _index: 'films', _id: '0', _score: 1, _source: films[0] }] } });
  const cases = [
    ['match', { match: { title: 'fox' } }, ['0', '3']], ['match and', { match: { title: { query: 'fox hound', operator: 'and' } } }, ['3']], ['match fuzzy', { match: { title: { query: 'quikc', fuzziness: 'AUTO' } } }, ['0', '2']],
    ['match_phrase', { match_phrase: { title: 'quick brown' } }, ['0']], ['match_phrase slop', { match_phrase: { title: { query: 'quick fox', slop: 1 } } }, ['0']], ['match_phrase_prefix', { match_phrase_prefix: { title: 'quick ch' } }, ['2']],
    ['match_bool_prefix', { match_bool_prefix: { title: 'hound th' } }, ['0', '3']], ['match_all', { match_all: {} }, ['0', '1', '2', '3']], ['match_none', { match_none: {} }, []],
    ...['best_fields', 'most_fields', 'cross_fields', 'phrase', 'phrase_prefix', 'bool_prefix'].map((type) => [`multi_match ${type}`, { multi_match: { query: 'hound', type, fields: ['title^2', 'plot'] } }, ['3']]),
    ['query_string', { query_string: { query: 'title:(fox OR change) AND year:[1950 TO 1985]' } }, ['0', '3']], ['simple_query_string', { simple_query_string: { query: '"brown bear" | change', fields: ['title'] } }, ['1', '2']],
    ['term keyword', { term: { genre: 'family' } }, ['1', '3']], ['terms', { terms: { genre: ['western', 'comedy'] } }, ['0', '2']], ['range', { range: { year: { gte: 1967, lt: 1990 } } }, ['1', '3']],
    ['range date math', { range: { released: { gte: '1981-07-10||-1d/d', lte: '1990-07-13||/M' } } }, ['2', '3']], ['exists', { exists: { field: 'rating' } }, ['0', '1', '2', '3']], ['ids', { ids: { values: ['3', '1', 'none'] } }, ['1', '3']],
    ['prefix', { prefix: { 'title.raw': 'The' } }, ['0', '3']], ['wildcard', { wildcard: { genre: { value: '*m*' } } }, ['1', '2', '3']], ['regexp', { regexp: { genre: '(west|com).*' } }, ['0', '2']], ['fuzzy', { fuzzy: { title: 'hond' } }, ['3']],
    ['bool', { bool: { must: [{ match: { title: 'brown' } }], filter: [{ term: { seen: true } }], must_not: [{ term: { year: 1 } }] } }, ['0']], ['minimum_should_match', { bool: { should: [{ term: { seen: true } }, { term: { year: 1950 } }, { match: { title: 'bear' } }], minimum_should_match: 2 } }, ['0']],
    ['boosting', { boosting: { positive: { match: { title: 'fox' } }, negative: { term: { year: 1981 } }, negative_boost: 0.1 } }, ['0', '3']], ['constant_score', { constant_score: { filter: { term: { seen: false } }, boost: 3 } }, ['1', '3']],
    ['dis_max', { dis_max: { queries: [{ match: { title: 'fox' } }, { match: { plot: 'robbers' } }], tie_breaker: 0.3 } }, ['0', '2', '3']], ['function_score', { function_score: { query: { match: { title: 'fox' } }, field_value_factor: { field: 'rating' }, boost_mode: 'replace' } }, ['0', '3']],
    ['more_like_this', { more_like_this: { fields: ['plot'], like: 'fox hound friends', min_term_freq: 1, min_doc_freq: 1 } }, ['0', '3']], ['geo_distance', { geo_distance: { distance: '200km', place: { lat: 40, lon: -74 } } }, ['2']],
    ['geo_bounding_box', { geo_bounding_box: { place: { top_left: { lat: 30, lon: 5 }, bottom_right: { lat: 5, lon: 30 } } } }, ['0', '1']], ['ip', { term: { ip: '10.0.0.0/8' } }, ['0', '1']], ['alias field', { match: { film_title: 'fox' } }, ['0', '3']],
  ];
  for (const [name, query, want] of cases) await run(name, async () => same(name, ids(await search(query)).sort(), want));
  same('constant score', (await search({ constant_score: { filter: { term: { seen: false } }, boost: 3 } })).hits.max_score, 3);
  same('sort', (await search({ match_all: {} }, { sort: [{ rating: 'desc' }, '_doc'] })).hits.hits.map((h) => [h._id, h._score, h.sort[0]]), [['1', null, 7.5], ['3', null, 7.3], ['2', null, 6.9], ['0', null, 6.5]]);
  same('sort by distance', (await search({ match_all: {} }, { sort: [{ _geo_distance: { place: [0, 50], unit: 'km' } }] })).hits.hits.map((h) => h._id), ['3', '1', '0', '2']);
  same('from and size', ids(await search({ match_all: {} }, { sort: 'year', from: 1, size: 2 })), ['1', '3']);
  same('search_after', ids(await search({ match_all: {} }, { sort: [{ year: 'asc' }], search_after: [1967] })), ['3', '2']);
  same('collapse', ids(await search({ match_all: {} }, { collapse: { field: 'century' }, sort: 'year' })), ['0', '1']);
  same('rescore', (await search({ match: { title: 'fox' } }, { rescore: { window_size: 10, query: { rescore_query: { term: { year: 1981 } }, rescore_query_weight: 100 } } })).hits.hits[0]._id, '3');
  same('highlight', (await search({ match: { plot: 'robber' } }, { highlight: { fields: { plot: {} } } })).hits.hits[0].highlight, { plot: ['Bank <em>robbers</em> in disguise'] });
  same('explain', Object.keys((await search({ match: { title: 'hound' } }, { explain: true })).hits.hits[0]._explanation).sort(), ['description', 'details', 'value']);
  same('fields', (await search({ ids: { values: ['0'] } }, { _source: false, fields: ['year', { field: 'released', format: 'yyyy' }], docvalue_fields: ['genre'] })).hits.hits[0].fields, { year: [1950], released: ['1950'], genre: ['western'] });
  same('_source filter', (await search({ ids: { values: ['0'] } }, { _source: ['ti*'] })).hits.hits[0]._source, { title: 'The Quick Brown Fox' });
  same('min_score', ids(await search({ function_score: { query: { match_all: {} }, field_value_factor: { field: 'rating' } } }, { min_score: 7 })).sort(), ['1', '3']);
  same('track_total_hits', (await search({ match_all: {} }, { track_total_hits: false })).hits.total, undefined);
  same('track_total_hits 2', (await search({ match_all: {} }, { track_total_hits: 2 })).hits.total, { value: 2, relation: 'gte' });
  same('post_filter', ids(await search({ match_all: {} }, { post_filter: { term: { seen: true } }, sort: 'year' })), ['0', '2']);
  same('named queries', (await search({ bool: { should: [{ match: { title: { query: 'fox', _name: 'a' } } }, { term: { seen: { value: true, _name: 'b' } } }] } }, { sort: 'year' })).hits.hits.map((h) => (h.matched_queries || []).sort()), [['a', 'b'], ['a'], ['b']]);
  const page = await client.search({ index: 'films', scroll: '1m', size: 3, sort: 'year' });
  same('scroll', [ids(page), ids(await client.scroll({ scroll_id: page._scroll_id, scroll: '1m' }))], [['0', '1', '3'], ['2']]);
  same('clear scroll', await client.clearScroll({ scroll_id: page._scroll_id }), { succeeded: true, num_freed: 1 });
  const pit = await client.openPointInTime({ index: 'films', keep_alive: '1m' });
  await client.index({ index: 'films', id: 'late', document: { title: 'late', year: 1 } });
  same('point in time', (await client.search({ pit: { id: pit.id, keep_alive: '1m' } })).hits.total.value, 4);
  same('close point in time', await client.closePointInTime({ id: pit.id }), { succeeded: true, num_freed: 1 });
  await client.delete({ index: 'films', id: 'late' });
  same('count', await client.count({ index: 'films', query: { term: { seen: true } } }), { count: 2, _shards: SHARDS });
  const m = await client.msearch({ searches: [{ index: 'films' }, { query: { match: { title: 'fox' } } }, { index: 'nothing' }, {}] });
  same('suggest', (await client.search({ index: 'films', size: 0, suggest: { s: { text: 'hunds', term: { field: 'title' } } } })).suggest, { s: [{ text: 'hunds', offset: 0, length: 5, options: [{ text: 'hound', score: 0.6, freq: 1 }] }] });
  same('msearch', [typeof m.took, m.responses[0].status, m.responses[0].hits.total.value, m.responses[1].status, m.responses[1].error.type], ['number', 200, 2, 404, 'index_not_found_exception']);
  same('explain api', [(await client.explain({ index: 'films', id: '0', query: { match: { title: 'fox' } } })).matched, (await client.explain({ index: 'films', id: '1', query: { match: { title: 'fox' } } })).matched], [true, false]);
  same('termvectors', (await client.termvectors({ index: 'films', id: '2', fields: ['title'] })), { _index: 'films', _id: '2', _version: 1, found: true, took: NUMBER, term_vectors: { title: { field_statistics: { sum_doc_freq: ANY, doc_count: ANY, sum_ttf: ANY }, terms: {
    change: { term_freq: 1, tokens: [{ position: 1, start_offset: 6, end_offset: 12 }] }, quick: { term_freq: 1, tokens: [{ position: 0, start_offset: 0, end_offset: 5 }] } } } } });
  same('mtermvectors', (await client.mtermvectors({ index: 'films', ids: ['0', '2'] })).docs.map((d) => d.found), [true, true]);
}

async function aggregations() {
  const agg = async (aggs, query) => (await client.search({ index: 'films', size: 0, aggs, query })).aggregations;
  const cases = [
    ['terms', { terms: { field: 'genre' } }, { doc_count_error_upper_bound: 0, sum_other_doc_count: 0, buckets: [{ key: 'animation', doc_count: 2 }, { key: 'family', doc_count: 2 }, { key: 'comedy', doc_count: 1 }, { key: 'western', doc_count: 1 }] }],
    ['multi_terms', { multi_terms: { terms: [{ field: 'genre' }, { field: 'seen' }], size: 1 } }, { doc_count_error_upper_bound: 0, sum_other_doc_count: 4, buckets: [{ key: ['animation', false], key_as_string: 'animation|false', doc_count: 2 }] }],
    ['histogram', { histogram: { field: 'year', interval: 20 } }, { buckets: [{ key: 1940, doc_count: 1 }, { key: 1960, doc_count: 1 }, { key: 1980, doc_count: 2 }] }],
    ['date_histogram', { date_histogram: { field: 'released', calendar_interval: '1y', min_doc_count: 1, format: 'yyyy' } }, { buckets: [{ key_as_string: '1950', key: -631152000000, doc_count: 1 }, { key_as_string: '1967', key: -94694400000, doc_count: 1 }, { key_as_string: '1981', key: 347155200000, doc_count: 1 }, { key_as_string: '1990', key: 631152000000, doc_count: 1 }] }],
    ['range', { range: { field: 'rating', ranges: [{ to: 7 }, { from: 7 }] } }, { buckets: [{ key: '*-7.0', to: 7, doc_count: 2 }, { key: '7.0-*', from: 7, doc_count: 2 }] }],
    ['date_range', { date_range: { field: 'released', format: 'yyyy', ranges: [{ from: '1970' }] } }, { buckets: [{ key: '1970-*', from: 0, from_as_string: '1970', doc_count: 2 }] }],
    ['filter', { filter: { term: { seen: true } } }, { doc_count: 2 }], ['filters', { filters: { filters: { a: { match: { title: 'fox' } }, b: { term: { year: 1990 } } } } }, { buckets: { a: { doc_count: 2 }, b: { doc_count: 1 } } }],
    ['missing', { missing: { field: 'nothing' } }, { doc_count: 4 }], ['global', { global: {} }, { doc_count: 4 }],
    ['composite', { composite: { size: 2, sources: [{ g: { terms: { field: 'genre' } } }] } }, { after_key: { g: 'comedy' }, buckets: [{ key: { g: 'animation' }, doc_count: 2 }, { key: { g: 'comedy' }, doc_count: 1 }] }],
    ['avg', { avg: { field: 'rating' } }, { value: 7.05 }], ['sum', { sum: { field: 'year' } }, { value: 7888 }], ['min', { min: { field: 'year' } }, { value: 1950 }], ['max', { max: { field: 'year' } }, { value: 1990 }],
    ['stats', { stats: { field: 'year' } }, { count: 4, min: 1950, max: 1990, avg: 1972, sum: 7888 }], ['value_count', { value_count: { field: 'genre' } }, { value: 6 }], ['cardinality', { cardinality: { field: 'genre' } }, { value: 4 }],
    ['extended_stats', { extended_stats: { field: 'century' } }, { count: 4, min: 1, max: 2, avg: 1.75, sum: 7, sum_of_squares: 13, variance: 0.1875, variance_population: 0.1875, variance_sampling: 0.25, std_deviation: 0.433012701, std_deviation_population: 0.433012701, std_deviation_sampling: 0.5, std_deviation_bounds: { upper: 2.616025403, lower: 0.883974596, upper_population: 2.616025403, lower_population: 0.883974596, upper_sampling: 2.75, lower_sampling: 0.75 } }],
    ['percentiles', { percentiles: { field: 'year', percents: [50], keyed: true } }, { values: { '50.0': 1974 } }], ['percentile_ranks', { percentile_ranks: { field: 'year', values: [1990] } }, { values: { '1990.0': ANY } }],
    ['weighted_avg', { weighted_avg: { value: { field: 'rating' }, weight: { field: 'year' } } }, { value: ANY }],
    ['top_hits', { terms: { field: 'seen' }, aggs: { top: { top_hits: { size: 1, sort: [{ year: 'desc' }], _source: ['title'] } } } }, { doc_count_error_upper_bound: 0, sum_other_doc_count: 0, buckets: [
      { key: 0, key_as_string: 'false', doc_count: 2, top: { hits: { total: { value: 2, relation: 'eq' }, max_score: null, hits: [{ _index: 'films', _id: '3', _score: null, _source: { title: 'The Fox and the Hound' }, sort: [1981] }] } } }, { key: 1, key_as_string: 'true', doc_count: 2, top: ANY }] }],
  ];
  for (const [name, a, want] of cases) await run(name, async () => same(`aggregation ${name}`, (await agg({ x: a })).x, want));
  const nested = await agg({ years: { histogram: { field: 'year', interval: 20 }, aggs: { r: { sum: { field: 'rating' } }, d: { derivative: { buckets_path: 'r' } }, c: { cumulative_sum: { buckets_path: 'r' } }, genres: { terms: { field: 'genre' }, aggs: { best: { max: { field: 'rating' } } } } } },
    a: { avg_bucket: { buckets_path: 'years>r' } }, s: { sum_bucket: { buckets_path: 'years>r' } }, lo: { min_bucket: { buckets_path: 'years>r' } }, hi: { max_bucket: { buckets_path: 'years>r' } }, st: { stats_bucket: { buckets_path: 'years>r' } } });
  same('pipelines', [nested.years.buckets.map((b) => b.c.value), nested.years.buckets[1].d.value, nested.s.value, nested.lo, nested.hi, nested.st.count, nested.years.buckets[2].genres.buckets[0]],
    [[6.5, 14, 28.2], 1, 28.2, { value: 6.5, keys: ['1940.0'] }, { value: 14.2, keys: ['1980.0'] }, 3, { key: 'animation', doc_count: 1, best: { value: 7.3 } }]);
  same('bucket_sort', (await agg({ g: { terms: { field: 'genre' }, aggs: { m: { max: { field: 'rating' } }, s: { bucket_sort: { sort: [{ m: 'asc' }], size: 2 } } } } })).g.buckets.map((b) => b.key), ['western', 'comedy']);
  same('typed_keys', Object.keys((await client.search({ index: 'films', size: 0, typed_keys: true, aggs: { g: { terms: { field: 'genre' } }, n: { avg: { field: 'year' } } } })).aggregations).sort(), ['avg#n', 'sterms#g']);
}

async function the_rest() {
  same('update_by_query', await client.updateByQuery({ index: 'films', query: { term: { seen: true } } }), { took: NUMBER, timed_out: false, total: 2, updated: 2, deleted: 0, batches: 1, version_conflicts: 0, noops: 0, retries: { bulk: 0, search: 0 }, throttled_millis: 0, requests_per_second: -1, throttled_until_millis: 0, failures: [] });
  same('reindex', await client.reindex({ source: { index: 'films' }, dest: { index: 'copies' } }), { took: NUMBER, timed_out: false, total: 4, updated: 0, created: 4, deleted: 0, batches: 1, version_conflicts: 0, noops: 0, retries: { bulk: 0, search: 0 }, throttled_millis: 0, requests_per_second: -1, throttled_until_millis: 0, failures: [] });
  same('delete_by_query', (await client.deleteByQuery({ index: 'copies', query: { match: { title: 'fox' } } })).deleted, 2);
  const { task } = await client.reindex({ source: { index: 'films' }, dest: { index: 'copies' }, wait_for_completion: false });
  same('task', (await client.tasks.get({ task_id: task })).completed, true);
  same('tasks', Object.keys(await client.tasks.list()), ['nodes']);
  same('pipeline', await client.ingest.putPipeline({ id: 'p', processors: [{ set: { field: 'stamp', value: 'x-{{title}}' } }, { lowercase: { field: 'title' } }, { rename: { field: 'a', target_field: 'b', ignore_missing: true } }] }), { acknowledged: true });
  await client.index({ index: 'copies', id: 'p', pipeline: 'p', document: { title: 'LOUD', a: 1 } });
  same('through a pipeline', await client.getSource({ index: 'copies', id: 'p' }), { title: 'loud', stamp: 'x-LOUD', b: 1 });
  same('simulate a pipeline', (await client.ingest.simulate({ id: 'p', docs: [{ _source: { title: 'A' } }] })).docs[0].doc._source, { title: 'a', stamp: 'x-A' });
  same('delete a pipeline', await client.ingest.deletePipeline({ id: 'p' }), { acknowledged: true });
  const info = await client.info();
  same('info', [Object.keys(info).sort(), info.tagline], [['cluster_name', 'cluster_uuid', 'name', 'tagline', 'version'], 'You Know, for Search']);
  same('ping', await client.ping(), true);
  const health = await client.cluster.health();
  same('health', { ...health, cluster_name: ANY, status: ANY }, { cluster_name: ANY, status: ANY, timed_out: false, number_of_nodes: 1, number_of_data_nodes: 1, active_primary_shards: NUMBER, active_shards: NUMBER, relocating_shards: 0, initializing_shards: 0, unassigned_shards: NUMBER, unassigned_primary_shards: 0, delayed_unassigned_shards: 0, number_of_pending_tasks: 0, number_of_in_flight_fetch: 0, task_max_waiting_in_queue_millis: 0, active_shards_percent_as_number: NUMBER });
  same('cluster settings', await client.cluster.putSettings({ persistent: { 'indices.recovery.max_bytes_per_sec': '50mb' } }), { acknowledged: true, persistent: { indices: { recovery: { max_bytes_per_sec: '50mb' } } }, transient: {} });
  same('get cluster settings', (await client.cluster.getSettings({ flat_settings: true })).persistent, { 'indices.recovery.max_bytes_per_sec': '50mb' });
  same('nodes', [Object.keys(await client.nodes.info()).sort(), Object.keys(await client.nodes.stats()).sort()], [['_nodes', 'cluster_name', 'nodes'], ['_nodes', 'cluster_name', 'nodes']]);
  for (const api of ['aliases', 'allocation', 'health', 'indices', 'nodes', 'segments', 'shards', 'templates', 'recovery', 'threadPool', 'plugins', 'master', 'nodeattrs', 'tasks', 'fielddata', 'pendingTasks']) {
    await run(`cat.${api}`, async () => same(`cat.${api}`, typeof (await client.cat[api]({ v: true, format: 'text' })), 'string'));
  }
  same('cat.count', /^\d+ \d\d:\d\d:\d\d 4\n$/.test(await client.cat.count({ index: 'films', format: 'text' })), true);
  same('cat as json', Object.keys((await client.cat.indices({ index: 'films', format: 'json' }))[0]).sort(), ['dataset.size', 'docs.count', 'docs.deleted', 'health', 'index', 'pri', 'pri.store.size', 'rep', 'status', 'store.size', 'uuid']);
  same('cat columns', await client.cat.indices({ index: 'films', h: ['index', 'docs.count'], format: 'text' }), 'films 4\n');
  same('filter_path', await client.search({ index: 'films', filter_path: ['hits.total.value', '-took'] }), { hits: { total: { value: 4 } } });
  await fails('unknown parameter', () => client.transport.request({ method: 'GET', path: '/films/_search', querystring: { sise: 1 } }, {}), 400, { type: 'illegal_argument_exception', reason: 'request [/films/_search] contains unrecognized parameter: [sise] -> did you mean [size]?' });
  await fails('unknown query', () => search({ mtach: {} }), 400, { type: 'parsing_exception', reason: ANY });
  same('ignore_unavailable', (await client.search({ index: 'films,nothing', ignore_unavailable: true })).hits.total.value, 4);
  same('no index allowed', (await client.search({ index: 'nothing*', allow_no_indices: true })).hits.total.value, 0);
}

(async () => {
  for (const part of [documents, indices, queries, aggregations, the_rest]) await run(part.name, part);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
