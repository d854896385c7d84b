#!/usr/bin/env python3
"""Whole families of Qdrant's API by hand: multi-vectors, data types, text indexes, strict mode, snapshots, shards, keys, locks."""
import hashlib
import pathlib
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools")]
import harness  # noqa: E402
import pgwire  # noqa: E402
from test_qdrant import call  # noqa: E402


class Api:
    def __init__(self, tally, port):
        self.tally, self.port = tally, port

    def ok(self, name, method, path, body=None, headers=None):
        status, reply = call(self.port, method, path, body, headers)
        self.tally.check(name, status in (200, 202), f"{status} {reply}")
        return reply.get("result") if isinstance(reply, dict) else reply

    def no(self, name, status, text, method, path, body=None, headers=None):
        got, reply = call(self.port, method, path, body, headers)
        error = reply["status"]["error"] if isinstance(reply, dict) and isinstance(reply.get("status"), dict) else str(reply)
        self.tally.check(name, got == status and text in error, f"{got} {reply}")

    def equal(self, name, got, want):
        self.tally.equal(name, got, want)


def ids(points):
    return [p["id"] for p in points]


def multi_vectors(api):
    api.ok("multi: create", "PUT", "/collections/multi", {"vectors": {
        "doc": {"size": 3, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}, "id": {"size": 2, "distance": "Euclid"}},
        "sparse_vectors": {"words": {}}})
    config = api.ok("multi: info", "GET", "/collections/multi")["config"]["params"]
    api.equal("multi: config", config["vectors"]["doc"]["multivector_config"], {"comparator": "max_sim"})
    points = "/collections/multi/points"
    api.ok("multi: upsert", "PUT", points + "?wait=true", {"points": [
        {"id": 1, "vector": {"doc": [[1, 0, 0], [0, 1, 0]], "id": [1, 1]}, "payload": {"n": 1}},
        {"id": 2, "vector": {"doc": [[0, 0, 1]]}, "payload": {"n": 2}},
        {"id": 3, "vector": {"doc": [0.5, 0.5, 0.5]}}]})
    api.equal("multi: retrieve", api.ok("multi: get", "GET", points + "/1")["vector"]["doc"], [[1, 0, 0], [0, 1, 0]])
    found = api.ok("multi: query", "POST", points + "/query", {"query": [[1, 0, 0], [0, 1, 0]], "using": "doc", "limit": 3})["points"]
    api.equal("multi: MaxSim", [(p["id"], round(p["score"], 4)) for p in found], [(1, 2.0), (3, 1.0), (2, 0.0)])
    found = api.ok("multi: single vector", "POST", points + "/query", {"query": [0, 0, 1], "using": "doc", "limit": 1})["points"]
    api.equal("multi: a single vector asks", ids(found), [2])
    found = api.ok("multi: filter", "POST", points + "/query", {"query": [[1, 0, 0]], "using": "doc", "filter": {"must": [{"key": "n", "match": {"value": 2}}]}})
    api.equal("multi: filtered", ids(found["points"]), [2])
    found = api.ok("multi: by id", "POST", points + "/query", {"query": 1, "using": "doc"})["points"]
    api.equal("multi: the example is left out", ids(found), [3, 2])
    found = api.ok("multi: recommend", "POST", points + "/query", {"query": {"recommend": {"positive": [1], "negative": [2], "strategy": "best_score"}}, "using": "doc"})
    api.equal("multi: best score", ids(found["points"]), [3])
    found = api.ok("multi: prefetch", "POST", points + "/query", {"prefetch": {"query": [[0, 0, 1]], "using": "doc", "limit": 2}, "query": [[1, 0, 0]], "using": "doc"})
    api.equal("multi: rescored", ids(found["points"]), [3, 2])
    api.equal("multi: has_vector", api.ok("multi: count", "POST", points + "/count", {"filter": {"must": [{"has_vector": "doc"}]}})["count"], 3)
    api.ok("multi: delete vector", "POST", points + "/vectors/delete?wait=true", {"points": [3], "vector": ["doc"]})
    api.equal("multi: without it", api.ok("multi: get", "GET", points + "/3")["vector"], {})
    api.no("multi: ragged", 422, "same dimension", "PUT", points, {"points": [{"id": 9, "vector": {"doc": [[1, 2, 3], [1, 2]]}}]})
    api.no("multi: empty inside", 422, "non-empty", "PUT", points, {"points": [{"id": 9, "vector": {"doc": [[]]}}]})
    api.no("multi: dimension", 400, "Vector dimension error: expected dim: 3, got 2", "PUT", points, {"points": [{"id": 9, "vector": {"doc": [[1, 2]]}}]})
    api.no("multi: for a single field", 400, "Conversion between multi and regular vectors failed", "PUT", points, {"points": [{"id": 9, "vector": {"id": [[1, 2]]}}]})
    api.no("multi: comparator", 400, "unknown variant", "PUT", "/collections/other", {"vectors": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "least"}}})


def collection_parameters(api):
    for datatype, given, kept in (("uint8", [1.7, 300, -4], [1, 255, 0]), ("float16", [0.1, 1, 2], [0.099975586, 1, 2]), ("float32", [0.1, 1, 2], [0.1, 1, 2])):
        name = f"/collections/of_{datatype}"
        api.ok("datatype", "PUT", name, {"vectors": {"size": 3, "distance": "Dot", "datatype": datatype, "hnsw_config": {"m": 0}}})
        api.ok("datatype: upsert", "PUT", name + "/points?wait=true", {"points": [{"id": 1, "vector": given}]})
        api.equal(datatype, [round(x, 6) for x in api.ok("datatype: get", "GET", name + "/points/1")["vector"]], [round(x, 6) for x in kept])
    wrong = [
        ({"size": 3, "distance": "Dot", "datatype": "float8"}, {}, 400, "unknown variant `float8`"),
        ({"size": 3, "distance": "Dot", "hnsw_config": {"ef_construct": 1}}, {}, 422, "ef_construct: value 1 invalid, must be 4 or larger"),
        ({"size": 0, "distance": "Dot"}, {}, 422, "size: value 0 invalid"),
        ({"distance": "Dot"}, {}, 400, "missing field `size`"),
        ({"size": 3, "distance": "Dot"}, {"shard_number": 0}, 422, "shard_number: value 0 invalid, must be 1 or larger"),
        ({"size": 3, "distance": "Dot"}, {"optimizers_config": {"deleted_threshold": 2}}, 422, "deleted_threshold"),
        ({"size": 3, "distance": "Dot"}, {"quantization_config": {"scalar": {"type": "int4"}}}, 400, "unknown variant `int4`"),
        ({"size": 3, "distance": "Dot"}, {"quantization_config": {"scalar": {"type": "int8", "quantile": 3}}}, 422, "quantile"),
        ({"size": 3, "distance": "Dot"}, {"quantization_config": {}}, 400, "untagged enum QuantizationConfig"),
        ({"size": 3, "distance": "Dot"}, {"init_from": {"collection": "nowhere"}}, 404, "Collection `nowhere` doesn't exist!"),
    ]
    for vectors, more, status, text in wrong:
        api.no(f"create {vectors} {more}", status, text, "PUT", "/collections/wrong", {"vectors": vectors, **more})
    for quantization in ({"scalar": {"type": "int8"}}, {"product": {"compression": "x16"}}, {"binary": {"always_ram": True}}):
        api.ok("quantization", "PUT", "/collections/quantized", {"vectors": {"size": 3, "distance": "Cosine"}, "quantization_config": quantization})
        api.equal("quantization shown", api.ok("info", "GET", "/collections/quantized")["config"]["quantization_config"], quantization)
        api.ok("quantization off", "PATCH", "/collections/quantized", {"quantization_config": "Disabled"})
        api.equal("quantization gone", api.ok("info", "GET", "/collections/quantized")["config"]["quantization_config"], None)
        api.ok("drop", "DELETE", "/collections/quantized")
    api.ok("init_from", "PUT", "/collections/copied", {"vectors": {"size": 3, "distance": "Dot"}, "init_from": {"collection": "of_float32"}})
    api.equal("copied", api.ok("count", "POST", "/collections/copied/points/count", {})["count"], 1)
    cluster = api.ok("cluster", "GET", "/collections/copied/cluster")
    api.equal("cluster info", (cluster["shard_count"], cluster["local_shards"][0]["points_count"]), (1, 1))
    api.no("shard keys", 400, "Distributed mode disabled", "PUT", "/collections/copied/shards", {"shard_key": "a"})


def text_and_geo(api):
    api.ok("text: create", "PUT", "/collections/texts", {"vectors": {"size": 2, "distance": "Dot"}})
    points = "/collections/texts/points"
    values = ["The Quick brown fox", "quickly running foxes", "Über-schnell", "no words of it", "我喜欢数据库"]
    api.ok("text: upsert", "PUT", points + "?wait=true", {"points": [
        {"id": i, "vector": [1, i], "payload": {"t": t, "where": {"lon": 179.5 - 0.7 * i, "lat": 10 + i}}} for i, t in enumerate(values)]})

    def matches(kind, text):
        found = api.ok(f"{kind} {text}", "POST", points + "/scroll", {"filter": {"must": [{"key": "t", "match": {kind: text}}]}})
        return ids(found["points"])
    api.equal("without an index: substring", matches("text", "ick"), [0, 1])
    api.equal("without an index: case", matches("text", "the"), [])
    cases = [
        ({"type": "text", "tokenizer": "word", "lowercase": True}, [("text", "QUICK fox", [0]), ("text", "quick foxes", []), ("text_any", "quick foxes", [0, 1]), ("text", "über", [2])]),
        ({"type": "text", "tokenizer": "prefix", "min_token_len": 2, "max_token_len": 5}, [("text", "qui", [0, 1]), ("text", "q", [])]),
        ({"type": "text", "tokenizer": "whitespace", "lowercase": False}, [("text", "Quick", [0]), ("text", "schnell", [])]),
        ({"type": "text", "tokenizer": "word", "stemmer": {"type": "snowball", "language": "english"}, "stopwords": "english"}, [("text", "fox run", [1]), ("text", "the", [])]),
        ({"type": "text", "tokenizer": "multilingual", "phrase_matching": True, "ascii_folding": True}, [("phrase", "brown fox", [0]), ("phrase", "fox brown", []), ("text", "uber", [2]), ("text", "数据库", [4]), ("text", "喜数", [])]),
    ]
    for schema, wanted in cases:
        api.ok(f"text index {schema}", "PUT", "/collections/texts/index?wait=true", {"field_name": "t", "field_schema": schema})
        for kind, text, want in wanted:
            api.equal(f"{schema} {kind} {text}", matches(kind, text), want)
    api.equal("params shown", api.ok("info", "GET", "/collections/texts")["payload_schema"]["t"]["params"], cases[-1][0])
    api.no("unknown tokenizer", 400, "PayloadFieldSchema", "PUT", "/collections/texts/index", {"field_name": "t", "field_schema": {"type": "text", "tokenizer": "letters"}})

    geo = [({"geo_radius": {"center": {"lon": 179.5, "lat": 10}, "radius": 1000}}, [0]),
           ({"geo_bounding_box": {"top_left": {"lon": 178.5, "lat": 12.5}, "bottom_right": {"lon": -179, "lat": 9}}}, [0, 1]),
           ({"geo_polygon": {"exterior": {"points": [{"lon": 177, "lat": 9}, {"lon": 180, "lat": 9}, {"lon": 180, "lat": 14}, {"lon": 177, "lat": 14}, {"lon": 177, "lat": 9}]},
                             "interiors": [{"points": [{"lon": 178, "lat": 11.5}, {"lon": 178.5, "lat": 11.5}, {"lon": 178.5, "lat": 12.5}, {"lon": 178, "lat": 12.5}, {"lon": 178, "lat": 11.5}]}]}}, [0, 1, 3])]
    for indexed in (False, True):
        if indexed:
            api.ok("geo index", "PUT", "/collections/texts/index?wait=true", {"field_name": "where", "field_schema": "geo"})
        for condition, want in geo:
            found = api.ok("geo", "POST", points + "/scroll", {"filter": {"must": [{"key": "where", **condition}]}})
            api.equal(f"{list(condition)[0]}, index {indexed}", ids(found["points"]), want)
            counted = api.ok("geo count", "POST", points + "/count", {"filter": {"must": [{"key": "where", **condition}]}})
            api.equal(f"{list(condition)[0]} counted, index {indexed}", counted["count"], len(want))


def strict_mode(api):
    name, points = "/collections/strict", "/collections/strict/points"
    api.ok("strict: create", "PUT", name, {"vectors": {"size": 2, "distance": "Dot"}})
    api.ok("strict: upsert", "PUT", points + "?wait=true", {"points": [{"id": i, "vector": [1, i], "payload": {"n": i, "tag": "x"}} for i in range(5)]})

    def mode(**settings):
        api.ok(f"strict: {settings}", "PATCH", name, {"strict_mode_config": {"enabled": True, **settings}})
    api.equal("off at first", api.ok("info", "GET", name)["config"]["strict_mode_config"], {"enabled": False})
    search = {"vector": [1, 1], "limit": 4}
    mode(max_query_limit=3)
    api.no("limit", 400, 'Limit exceeded 4 > 3 for "limit". Help: Reduce the "limit" parameter to or below 3.', "POST", points + "/search", search)
    api.ok("limit kept", "POST", points + "/search", {**search, "limit": 3})
    mode(max_query_limit=100, search_max_hnsw_ef=10, search_allow_exact=False, search_max_oversampling=1.5)
    api.no("hnsw_ef", 400, '"hnsw_ef"', "POST", points + "/search", {**search, "params": {"hnsw_ef": 11}})
    api.no("exact", 400, "Exact search disabled!", "POST", points + "/search", {**search, "params": {"exact": True}})
    api.no("oversampling", 400, '"oversampling"', "POST", points + "/query", {"query": [1, 1], "params": {"quantization": {"oversampling": 2}}})
    filtered = {"filter": {"must": [{"key": "tag", "match": {"value": "x"}}, {"key": "tag", "match": {"any": ["x", "y", "z"]}}]}}
    mode(unindexed_filtering_retrieve=False, unindexed_filtering_update=False)
    api.no("unindexed", 400, 'Index required but not found for "tag" of one of the following types: [keyword]. Help: Create an index for this key or use a different filter.',
           "POST", points + "/scroll", filtered)
    api.no("unindexed update", 400, "Index required", "POST", points + "/delete", filtered)
    api.ok("index", "PUT", name + "/index?wait=true", {"field_name": "tag", "field_schema": "keyword"})
    api.ok("indexed", "POST", points + "/scroll", filtered)
    mode(filter_max_conditions=1)
    api.no("conditions", 400, "filter condition limit", "POST", points + "/count", filtered)
    mode(filter_max_conditions=5, condition_max_size=2)
    api.no("condition size", 400, "condition size", "POST", points + "/count", filtered)
    mode(condition_max_size=10, upsert_max_batchsize=1, search_max_batchsize=1)
    one = [{"id": 1, "vector": [1, 1]}, {"id": 2, "vector": [1, 1]}]
    api.no("batch", 400, "upsert limit", "PUT", points, {"points": one})
    api.no("search batch", 400, "search batch", "POST", points + "/search/batch", {"searches": [search, search]})
    mode(upsert_max_batchsize=10, max_points_count=5)
    api.no("points", 400, "points count", "PUT", points, {"points": [{"id": 77, "vector": [1, 1]}]})
    api.ok("an update is no new point", "PUT", points + "?wait=true", {"points": [{"id": 4, "vector": [1, 1]}]})
    mode(max_points_count=1000, max_collection_vector_size_bytes=41)
    api.no("vector bytes", 400, "Max vector storage size", "PUT", points, {"points": [{"id": 77, "vector": [1, 1]}]})
    mode(max_collection_vector_size_bytes=100000, max_collection_payload_size_bytes=20)
    api.no("payload bytes", 400, "Max payload storage size", "PUT", points, {"points": [{"id": 77, "vector": [1, 1], "payload": {"a": "b" * 30}}]})
    mode(max_collection_payload_size_bytes=100000, read_rate_limit=2)
    api.ok("rate", "POST", points + "/count", {})
    api.ok("rate", "POST", points + "/count", {})
    api.no("rate", 429, "Rate limiting exceeded", "POST", points + "/count", {})
    api.ok("strict: off", "PATCH", name, {"strict_mode_config": {"enabled": False}})
    api.ok("no rate", "POST", points + "/count", {})


def queries(api):
    points = "/collections/strict/points"
    api.no("order without an index", 400, "No range index for `order_by` key: `n`", "POST", points + "/scroll", {"order_by": "n"})
    api.ok("index", "PUT", "/collections/strict/index?wait=true", {"field_name": "n", "field_schema": "integer"})
    found = api.ok("order", "POST", points + "/query", {"query": {"order_by": {"key": "n", "direction": "desc"}}, "limit": 2})["points"]
    api.equal("order_value", [(p["id"], p["order_value"]) for p in found], [(3, 3), (2, 2)])
    near = api.ok("mmr", "POST", points + "/query", {"query": {"nearest": [0.2, 1], "mmr": {"diversity": 0.0, "candidates_limit": 5}}, "limit": 3})["points"]
    api.equal("mmr without diversity is nearness", ids(near), [3, 2, 1])
    api.ok("mmr", "PUT", "/collections/mmr", {"vectors": {"size": 2, "distance": "Cosine"}})
    api.ok("mmr", "PUT", "/collections/mmr/points?wait=true", {"points": [{"id": 1, "vector": [1, 0]}, {"id": 2, "vector": [1, 0.01]}, {"id": 3, "vector": [0.8, 0.6]}]})
    far = api.ok("mmr", "POST", "/collections/mmr/points/query", {"query": {"nearest": [1, 0.001], "mmr": {"diversity": 0.9}}, "limit": 2})["points"]
    api.equal("mmr: the limit is the number of candidates", sorted(ids(far)), [1, 2])
    far = api.ok("mmr", "POST", "/collections/mmr/points/query", {"query": {"nearest": [1, 0.001], "mmr": {"diversity": 0.9, "candidates_limit": 3}}, "limit": 2})["points"]
    api.equal("mmr prefers what is new", ids(far), [1, 3])
    api.no("mmr: diversity", 422, "diversity", "POST", points + "/query", {"query": {"nearest": [1, 1], "mmr": {"diversity": 2}}})


def snapshots(api, server):
    name, points = "/collections/kept", "/collections/kept/points"
    api.ok("create", "PUT", name, {"vectors": {"a": {"size": 2, "distance": "Cosine"}, "m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
                                   "sparse_vectors": {"s": {}}})
    api.ok("index", "PUT", name + "/index?wait=true", {"field_name": "n", "field_schema": "integer"})
    uuid = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
    api.ok("upsert", "PUT", points + "?wait=true", {"points": [
        {"id": 1, "vector": {"a": [3, 4], "m": [[1, 2], [3, 4]], "s": {"indices": [1, 5], "values": [0.5, 1]}}, "payload": {"n": 1, "deep": {"list": [1, "ü", None]}}},
        {"id": uuid, "vector": {}, "payload": {"n": 2}}]})
    before = api.ok("scroll", "POST", points + "/scroll", {"with_vector": True})["points"]
    made = api.ok("snapshot", "POST", name + "/snapshots?wait=true")
    api.equal("described", set(made), {"name", "creation_time", "size", "checksum"})
    api.equal("listed", api.ok("list", "GET", name + "/snapshots"), [made])
    with urllib.request.urlopen(f"http://127.0.0.1:{api.port}{name}/snapshots/{made['name']}") as reply:
        bytes_ = reply.read()
    api.equal("checksum", hashlib.sha256(bytes_).hexdigest(), made["checksum"])
    api.equal("size", len(bytes_), made["size"])

    def same(what):
        after = api.ok("scroll", "POST", points + "/scroll", {"with_vector": True})["points"]
        api.equal(f"{what}: the points", after, before)
        api.equal(f"{what}: the indexes", list(api.ok("info", "GET", name)["payload_schema"]), ["n"])
    api.ok("change", "POST", points + "/delete?wait=true", {"points": [1]})
    url = f"http://127.0.0.1:{api.port}{name}/snapshots/{made['name']}"
    api.ok("recover over HTTP", "PUT", name + "/snapshots/recover?wait=true", {"location": url, "checksum": made["checksum"], "priority": "snapshot"})
    same("over HTTP")
    api.ok("drop", "DELETE", name)
    path = pathlib.Path(server.data) / "copy.snapshot"
    path.write_bytes(bytes_)
    api.ok("recover from a file", "PUT", name + "/snapshots/recover", {"location": f"file://{path}"})
    same("from a file")
    api.no("checksum", 400, "checksum mismatch", "PUT", name + "/snapshots/recover", {"location": f"file://{path}", "checksum": "00"})
    api.no("no file", 400, "does not exist", "PUT", name + "/snapshots/recover", {"location": "file:///nowhere.snapshot"})
    path.write_bytes(b"{")
    api.no("no snapshot", 400, "no snapshot", "PUT", name + "/snapshots/recover", {"location": f"file://{path}"})
    api.no("relative", 400, "relative URL without a base", "PUT", name + "/snapshots/recover", {"location": "there"})
    same("after what failed")
    boundary = "xyzzy"
    form = f"--{boundary}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"s\"\r\n\r\n".encode() + bytes_ + f"\r\n--{boundary}--\r\n".encode()
    api.ok("upload", "POST", "/collections/again/snapshots/upload?wait=true", form, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    api.equal("uploaded", api.ok("count", "POST", "/collections/again/points/count", {})["count"], 2)
    shard = api.ok("shard snapshot", "POST", name + "/shards/0/snapshots")
    api.equal("shard listed", shard["name"] in [s["name"] for s in api.ok("list", "GET", name + "/shards/0/snapshots")], True)
    api.no("no such shard", 404, "Shard 7", "GET", name + "/shards/7/snapshots")
    api.no("no such snapshot", 404, "Not found", "DELETE", name + "/snapshots/none.snapshot")
    api.no("not outside", 404, "Not found", "GET", name + "/snapshots/..%2F..%2Fdb")
    for one in api.ok("list", "GET", name + "/snapshots"):
        api.ok("delete", "DELETE", f"{name}/snapshots/{one['name']}")
    api.equal("all deleted", api.ok("list", "GET", name + "/snapshots"), [])
    full = api.ok("full snapshot", "POST", "/snapshots")
    api.equal("full listed", [s["name"] for s in api.ok("list", "GET", "/snapshots")], [full["name"]])
    api.ok("full deleted", "DELETE", f"/snapshots/{full['name']}")
    status, reply = call(api.port, "POST", name + "/snapshots?wait=false")
    api.equal("not waited for", (status, reply["status"]), (202, "accepted"))


def row_locks(api, server):
    """Concurrent changes of one point's payload all survive, and a row that an SQL transaction holds is waited for."""
    points = "/collections/mmr/points"

    def put(i):
        call(api.port, "POST", points + "/payload?wait=true", {"payload": {f"k{i}": i}, "points": [1]})
    threads = [threading.Thread(target=put, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    api.equal("no change is lost", len(api.ok("get", "GET", points + "/1")["payload"]), 24)
    sql = pgwire.Connection(server.ports["postgres"])
    sql.query("BEGIN")
    sql.query("UPDATE mmr SET payload = payload || '{\"sql\": 1}' WHERE id = '1'")
    done = threading.Event()

    def overlapping():
        call(api.port, "POST", points + "/payload?wait=true", {"payload": {"rest": 2}, "points": [1]})
        done.set()
    thread = threading.Thread(target=overlapping)
    thread.start()
    watcher = pgwire.Connection(server.ports["postgres"])
    deadline = time.monotonic() + 30
    waits = False
    while not waits and not done.is_set() and time.monotonic() < deadline:
        waits = int(watcher.query("SELECT count(*) FROM pg_locks WHERE NOT granted")[0].rows[0][0]) > 0
    api.tally.check("the other waits for the row", waits and not done.is_set())
    sql.query("COMMIT")
    thread.join()
    payload = api.ok("get", "GET", points + "/1")["payload"]
    api.equal("both are there", (payload.get("sql"), payload.get("rest")), (1, 2))


def service(api):
    api.equal("locks", api.ok("locks", "GET", "/locks"), {"error_message": None, "write": False})
    api.ok("lock", "POST", "/locks", {"write": True, "error_message": "closed for inventory"})
    api.no("locked", 403, "closed for inventory", "PUT", "/collections/mmr/points", {"points": [{"id": 9, "vector": [1, 1]}]})
    api.ok("reads go on", "POST", "/collections/mmr/points/count", {})
    api.ok("unlock", "POST", "/locks", {"write": False})
    telemetry = api.ok("telemetry", "GET", "/telemetry")
    api.equal("telemetry", {"app", "collections", "cluster", "requests", "id"} - set(telemetry), set())
    status, text = call(api.port, "GET", "/metrics")
    api.tally.check("metrics", "app_info{" in text and "collections_total" in text, text)


def keys(tally):
    with harness.Server("--qdrant-api-key", "secret", "--qdrant-read-only-api-key", "look", doors=("qdrant",)) as server:
        api = Api(tally, server.ports["qdrant"])
        api.no("no key", 401, "Must provide an API key", "GET", "/collections")
        api.no("wrong key", 401, "Invalid API key", "GET", "/collections", None, {"api-key": "guess"})
        api.ok("key", "PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}}, {"api-key": "secret"})
        api.ok("bearer", "GET", "/collections", None, {"Authorization": "Bearer secret"})
        api.ok("read-only reads", "POST", "/collections/c/points/search", {"vector": [1, 1], "limit": 1}, {"api-key": "look"})
        api.no("read-only writes", 403, "Forbidden", "PUT", "/collections/c/points", {"points": [{"id": 1, "vector": [1, 1]}]}, {"api-key": "look"})
        api.no("read-only drops", 403, "Forbidden", "DELETE", "/collections/c", None, {"api-key": "look"})


def main():
    tally = harness.Tally()
    with harness.Server(doors=("qdrant", "postgres")) as server:
        api = Api(tally, server.ports["qdrant"])
        for family in (multi_vectors, collection_parameters, text_and_geo, strict_mode, queries):
            family(api)
        snapshots(api, server)
        row_locks(api, server)
        service(api)
        tally.check("the server lives", server.alive())
    keys(tally)
    tally.done()


if __name__ == "__main__":
    main()
