"""Nested documents, scripts, intervals and index blocks of the Elasticsearch door, on a server of its own."""
import http.client
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

OFFERS = {"type": "nested", "properties": {"price": {"type": "integer"}, "who": {"type": "keyword"}, "parts": {"type": "nested", "properties": {"p": {"type": "integer"}}}}}


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def __call__(self, method, path, body=None, status=None):
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        value = json.loads(reply.read() or "null")
        self.status = reply.status
        if status is not None:
            assert reply.status == status, (method, path, reply.status, value)
        return value

    def search(self, index, body):
        return self("POST", f"/{index}/_search", body, 200)

    def ids(self, index, query, **more):
        return [h["_id"] for h in self.search(index, {"query": query, **more})["hits"]["hits"]]


def expect(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def nested(es):
    es("PUT", "/n", {"mappings": {"properties": {"name": {"type": "keyword"}, "offers": OFFERS}}}, 200)
    for i in range(5):
        es("PUT", f"/n/_doc/{i}", {"name": f"d{i}", "offers": [{"price": i * 10 + k, "who": "ab"[k % 2], "parts": [{"p": k}, {"p": i}]} for k in range(3)]}, 201)
    # Both conditions must hold for one offer; flattened, document 2 would match {who: a, price: 21}, too.
    one = lambda who, price: {"nested": {"path": "offers", "query": {"bool": {"must": [{"term": {"offers.who": who}}, {"term": {"offers.price": price}}]}}, "inner_hits": {}}}
    def check(live):
        expect(es.ids("n", one("b", 21)), ["2"])
        expect(es.ids("n", one("a", 21)), [])
        expect(es.ids("n", {"term": {"offers.price": 21}}), [])
        reply = es.search("n", {"query": one("b", 21)})["hits"]["hits"][0]["inner_hits"]["offers"]["hits"]
        expect((reply["total"]["value"], reply["hits"][0]["_nested"], reply["hits"][0]["_source"]["price"]), (1, {"field": "offers", "offset": 1}, 21))
        deep = es.search("n", {"query": {"nested": {"path": "offers.parts", "query": {"term": {"offers.parts.p": 4}}, "inner_hits": {"name": "x", "size": 1}}}})["hits"]["hits"]
        expect([h["_id"] for h in deep], ["4"])
        expect(deep[0]["inner_hits"]["x"]["hits"]["hits"][0]["_nested"], {"field": "offers", "offset": 0, "_nested": {"field": "parts", "offset": 1}})
        aggs = es.search("n", {"size": 0, "aggs": {"o": {"nested": {"path": "offers"}, "aggs": {"who": {"terms": {"field": "offers.who"}, "aggs": {
            "max": {"max": {"field": "offers.price"}}, "back": {"reverse_nested": {}, "aggs": {"names": {"cardinality": {"field": "name"}}}}}}}}}})["aggregations"]["o"]
        expect((aggs["doc_count"], [(b["key"], b["doc_count"], b["max"]["value"], b["back"]["doc_count"], b["back"]["names"]["value"]) for b in aggs["who"]["buckets"]]),
               (3 * live, [("a", 2 * live, 42.0, live, live), ("b", live, 41.0, live, live)]))
        order = es.search("n", {"sort": [{"offers.price": {"order": "desc", "mode": "min", "nested": {"path": "offers", "filter": {"term": {"offers.who": "b"}}}}}]})["hits"]["hits"]
        expect([h["sort"][0] for h in order], [41, 31, 21, 11, 1][:1] + ([31] if live == 5 else []) + [21, 11, 1])
    check(5)
    es("POST", "/n/_forcemerge?max_num_segments=1", status=200)
    check(5)
    es("DELETE", "/n/_doc/3", status=200)
    es("POST", "/n/_forcemerge?max_num_segments=1", status=200)
    check(4)
    inner = es.search("n", {"collapse": {"field": "name", "inner_hits": {"name": "same", "size": 1}}})["hits"]["hits"]
    expect([h["inner_hits"]["same"]["hits"]["total"]["value"] for h in inner], [1] * 4)


def scripts(es):
    es("PUT", "/a", {"mappings": {"properties": {"n": {"type": "integer"}, "k": {"type": "keyword"}, "t": {"type": "text"}}}}, 200)
    for i in range(4):
        es("PUT", f"/a/_doc/{i}", {"n": i, "k": f"k{i % 2}", "t": "cold wet porridge in the pot" if i else "it is cold outside"}, 201)
    change = "ctx._source.n += params.x; for (int i = 0; i < 2; i++) { ctx._source.tags.add('t' + i) } if (ctx._source.n > 5) { ctx._source.remove('k') }"
    es("POST", "/a/_update/1", {"doc": {"tags": ["a"]}}, 200)
    es("POST", "/a/_update/1", {"script": {"source": change, "params": {"x": 10}}}, 200)
    expect(es("GET", "/a/_source/1"), {"n": 11, "t": "cold wet porridge in the pot", "tags": ["a", "t0", "t1"]})
    expect(es("POST", "/a/_update/1", {"script": "ctx.op = 'none'"})["result"], "noop")
    expect([es("POST", "/a/_update/9", {"script": "ctx._source.n += 1", "upsert": {"n": 1}})["result"] for _ in range(2)], ["created", "updated"])
    error = es("POST", "/a/_update/1", {"script": "ctx._source.x.y = 1"}, 400)["error"]
    expect((error["reason"], error["caused_by"]["type"], error["caused_by"]["caused_by"]["type"]), ("failed to execute script", "script_exception", "null_pointer_exception"))
    error = es("POST", "/a/_update/1", {"script": "ctx._source. = 1"}, 400)["error"]
    expect((error["type"], error["reason"]), ("script_exception", "compile error"))
    error = es("POST", "/a/_update/1", {"script": "while (true) {}"}, 400)["error"]
    expect(error["caused_by"]["caused_by"]["reason"], "The maximum number of statements that can be executed in a loop has been reached.")
    expect(es("POST", "/a/_update_by_query", {"query": {"term": {"k": "k1"}}, "script": {"source": "ctx._source.n *= 2"}})["updated"], 1)
    big = {"bool": {"filter": {"script": {"script": {"source": "doc['n'].value >= params.m", "params": {"m": 3}}}}}}
    expect(sorted(es.ids("a", big)), ["1", "3"])
    es("PUT", "/_scripts/big", {"script": {"lang": "painless", "source": "doc['n'].value >= 3"}}, 200)
    expect(sorted(es.ids("a", {"bool": {"filter": {"script": {"script": {"id": "big"}}}}})), ["1", "3"])
    es("DELETE", "/_scripts/big", status=200)
    es("GET", "/_scripts/big", status=404)
    found = es.search("a", {"query": {"script_score": {"query": {"match_all": {}}, "script": {"source": "doc['n'].value + 1.5"}}}, "size": 2})["hits"]["hits"]
    expect([(h["_id"], h["_score"]) for h in found], [("1", 12.5), ("3", 7.5)])
    found = es.search("a", {"sort": {"_script": {"type": "number", "script": "doc['n'].value % 6", "order": "desc"}}, "size": 1, "script_fields": {"f": {"script": "doc['n'].value * 2"}}})["hits"]["hits"][0]
    expect((found["_id"], found["sort"], found["fields"]), ("1", [5.0], {"f": [22]}))
    es("PUT", "/_ingest/pipeline/p", {"processors": [{"script": {"source": "ctx.z = ctx.n + 1"}}, {"set": {"if": "ctx.n > 2", "field": "big", "value": True}}]}, 200)
    es("PUT", "/a/_doc/5?pipeline=p", {"n": 5}, 201)
    expect(es("GET", "/a/_source/5"), {"n": 5, "z": 6, "big": True})
    reply = es("POST", "/_reindex", {"source": {"index": "a"}, "dest": {"index": "b"}, "script": {"source": "ctx._source.copied = true; if (ctx._source.n < 3) ctx.op = 'noop'"}}, 200)
    expect((reply["total"], reply["created"], reply["noops"]), (6, 3, 3))
    value = lambda source: es("POST", "/_scripts/painless/_execute", {"script": {"source": source}}, 200)["result"]
    for source, want in (("def l = [3, 1, 2]; l.sort((a, b) -> b - a); return l", "[3, 2, 1]"), ("int f(int x) { return x < 2 ? x : f(x - 1) + f(x - 2); } f(15)", "610"),
                         ("String s = 'a-b'; s.splitOnToken('-')[1] + s.toUpperCase().length()", "b3"), ("7 / 2 + 7 % 4 + 7 / 2.0", "9.5"), ("Map m = ['a': 1]; m.b = m.a + 1; m.b + m.size()", "4"),
                         ("def t = 0; for (def x : [1, 2, 3]) { if (x == 2) continue; t += x } return t", "4"), ("try { throw new Exception('e') } catch (Exception x) { return x.getMessage() }", "e"),
                         ("def m = null; m?.x ?: 'none'", "none"), ("2147483647 + 1", "-2147483648"), ("2147483647L + 1", "2147483648")):
        expect(value(source), want)
    for rule, want in (({"match": {"query": "cold porridge", "max_gaps": 1}}, ["1", "2", "3"]), ({"match": {"query": "cold porridge", "ordered": True, "max_gaps": 0}}, []),
                       ({"all_of": {"intervals": [{"match": {"query": "cold"}}, {"match": {"query": "outside"}}], "ordered": True}}, ["0"]), ({"prefix": {"prefix": "out"}}, ["0"]),
                       ({"match": {"query": "cold", "filter": {"not_containing": {"match": {"query": "cold"}}}}}, [])):
        expect(sorted(es.ids("a", {"intervals": {"t": rule}})), want)
    for i, text in enumerate(("one two three four", "two one", "one x y two", "four three")):
        es("PUT", f"/spans/_doc/{i}", {"t": text, "u": text}, 201)
    term = lambda word, field="t": {"span_term": {field: word}}
    near = lambda words, **more: {"span_near": {"clauses": [term(w) for w in words], **more}}
    either = {"span_or": {"clauses": [term("three"), term("two")]}}
    for query, want in ((near(["one", "two"]), ["0"]), (near(["one", "two"], slop=2), ["0", "2"]), (near(["one", "two"], slop=1), ["0"]), (near(["one", "two"], slop=0, in_order=False), ["0", "1"]),
                        (near(["one", "two"], slop=2, in_order=False), ["0", "1", "2"]), ({"span_near": {"clauses": [either, term("four")], "slop": 1}}, ["0"]), (term("three"), ["0", "3"])):
        expect(sorted(es.ids("spans", query)), want)
    es("POST", "/spans/_search", {"query": {"span_near": {"clauses": [term("one"), term("two", "u")]}}}, 400)
    aggs = es.search("a", {"size": 0, "query": {"exists": {"field": "k"}}, "aggs": {
        "m": {"scripted_metric": {"init_script": "state.s = 0", "map_script": "state.s += doc['n'].value", "combine_script": "return state.s", "reduce_script": "def t = 0; for (s in states) { t += s } return t"}},
        "k": {"terms": {"field": "k"}, "aggs": {"s": {"sum": {"field": "n"}}, "twice": {"bucket_script": {"buckets_path": {"x": "s"}, "script": "params.x * 2"}}, "some": {"bucket_selector": {"buckets_path": {"x": "s"}, "script": "params.x > 2"}}}},
        "v": {"avg": {"script": "doc['n'].value * 10"}}, "w": {"adjacency_matrix": {"filters": {"a": {"term": {"k": "k0"}}, "b": {"range": {"n": {"gte": 2}}}}}}}})["aggregations"]
    expect((aggs["m"]["value"], [(b["key"], b["twice"]["value"]) for b in aggs["k"]["buckets"]], aggs["w"]["buckets"]),
           (8, [("k1", 12.0)], [{"key": "a", "doc_count": 2}, {"key": "a&b", "doc_count": 1}, {"key": "b", "doc_count": 2}]))


def blocks(es):
    es("PUT", "/q", {}, 200)
    requests = {"write": ("PUT", "/q/_doc/1", {"a": 1}), "read": ("GET", "/q/_search", None), "mapping": ("PUT", "/q/_mapping", {"properties": {"z": {"type": "long"}}}), "settings": ("GET", "/q/_settings", None)}
    for block, code, text, forbidden in (("read_only", 403, "FORBIDDEN/5/index read-only (api)", {"write", "mapping"}), ("read", 403, "FORBIDDEN/7/index read (api)", {"read"}),
                                         ("write", 403, "FORBIDDEN/8/index write (api)", {"write"}), ("metadata", 403, "FORBIDDEN/9/index metadata (api)", {"mapping", "settings"}),
                                         ("read_only_allow_delete", 429, "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block", {"write", "mapping"})):
        if block == "read_only_allow_delete":
            es("PUT", "/q/_settings", {"index.blocks.read_only_allow_delete": True}, 200)
        else:
            expect(es("PUT", f"/q/_block/{block}", status=200), {"acknowledged": True, "shards_acknowledged": True, "indices": [{"name": "q", "blocked": True}]})
        for name, request in requests.items():
            reply = es(*request)
            if name in forbidden:
                expect((es.status, reply["error"]["type"], reply["error"]["reason"]), (code, "cluster_block_exception", f"index [q] blocked by: [{text}];"))
            else:
                assert es.status < 300, (block, name, reply)
        es("PUT", "/q/_settings", {f"index.blocks.{block}": None}, 200)
    error = es("POST", "/q/_search", {"query": {"mtach": {}}}, 400)["error"]
    expect((error["type"], error["reason"]), ("parsing_exception", "unknown query [mtach] did you mean [match]?"))


def main():
    with harness.Server(doors=("elasticsearch",)) as server:
        es = Client(server.ports["elasticsearch"])
        for part in (nested, scripts, blocks):
            part(es)
            print("ok", part.__name__)
    print("3 passed, 0 failed")


main()
