"""Completion suggestions, range fields, ingest processors, snapshots, data streams, synonym sets and what a cluster is asked about
itself, over the Elasticsearch door of a server of its own."""
import http.client
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def __call__(self, method, path, body=None, status=200):
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read().decode()
        try:
            value = json.loads(text or "null")
        except ValueError:
            value = text
        assert status is None or reply.status == status, (method, path, reply.status, value)
        return value

    def put(self, index, documents):
        for i, d in enumerate(documents):
            self("PUT", f"/{index}/_doc/{i}", d, 201)

    def ids(self, index, query):
        return sorted(h["_id"] for h in self("POST", f"/{index}/_search", {"query": query})["hits"]["hits"])


def expect(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def suggesters(es):
    es("PUT", "/s", {"mappings": {"properties": {"f": {"type": "completion"}, "t": {"type": "text"},
                                                 "c": {"type": "completion", "contexts": [{"name": "color", "type": "category"}]}}}})
    es.put("s", [{"f": {"input": ["bar", "foo"], "weight": 2}, "t": "the quick brown fox"}, {"f": "baz", "t": "quick brown dogs"}, {"f": {"input": "Bay leaf", "weight": 10}},
                 {"c": {"input": "foo red", "contexts": {"color": ["red"]}}}, {"c": {"input": "foo blue", "contexts": {"color": "blue"}}}])
    options = lambda spec, **top: [(o["text"], o["_id"], o["_score"]) for o in es("POST", "/s/_search", {"suggest": {"r": {**spec, **top}}})["suggest"]["r"][0]["options"]]
    expect(options({"text": "b", "completion": {"field": "f"}}), [("Bay leaf", "2", 10.0), ("bar", "0", 2.0), ("baz", "1", 1.0)])
    expect(options({"prefix": "bay l", "completion": {"field": "f"}}), [("Bay leaf", "2", 10.0)])
    expect(options({"prefix": "bxr", "completion": {"field": "f", "fuzzy": {"fuzziness": 1}}}), [("bar", "0", 2.0)])
    expect(options({"regex": "fo", "completion": {"field": "f"}}), [("foo", "0", 2.0)])
    expect(options({"prefix": "foo", "completion": {"field": "c", "contexts": {"color": "red"}}}), [("foo red", "3", 1.0)])
    expect(options({"prefix": "foo", "completion": {"field": "c", "contexts": {"color": ["red", {"context": "blue", "boost": 3}]}}}), [("foo blue", "4", 3.0), ("foo red", "3", 1.0)])
    phrase = es("POST", "/s/_search", {"suggest": {"text": "quikc brown", "p": {"phrase": {"field": "t", "highlight": {"pre_tag": "<b>", "post_tag": "</b>"}}}}})["suggest"]["p"][0]
    expect((phrase["text"], phrase["options"][0]["text"], phrase["options"][0]["highlighted"]), ("quikc brown", "quick brown", "<b>quick</b> brown"))


def ranges(es):
    kinds = {"i": "integer_range", "l": "long_range", "f": "float_range", "d": "double_range", "t": "date_range", "p": "ip_range"}
    es("PUT", "/r", {"mappings": {"properties": {k: {"type": v} for k, v in kinds.items()}}})
    es.put("r", [{"i": {"gte": 1, "lte": 5}, "f": {"gt": 1.0, "lt": 2.0}, "t": {"gte": "2017-09-01", "lte": "2017-09-05"}, "p": "192.168.0.0/24"},
                 {"i": {"gte": 1, "lt": 3}, "f": {"gte": 2.5}, "t": {"gte": "2017-09-03"}, "p": {"gte": "192.168.0.1", "lte": "192.168.1.10"}}, {"i": {"gte": 4, "lte": 5}}])
    by = lambda field, **bounds: es.ids("r", {"range": {field: bounds}})
    expect(by("i", gte=3, lte=4), ["0", "2"])
    expect(by("i", gte=3, lte=4, relation="contains"), ["0"])
    expect(by("i", gte=1, lte=4, relation="within"), ["1"])
    expect(es.ids("r", {"term": {"i": 2}}), ["0", "1"])
    expect((by("f", gte=2.0), by("f", lt=1.5)), (["1"], ["0"]))
    expect((by("t", gte="2017-09-06"), by("t", lte="2017-09-02")), (["1"], ["0"]))
    expect((es.ids("r", {"term": {"p": "192.168.1.5"}}), es.ids("r", {"exists": {"field": "p"}})), (["1"], ["0", "1"]))
    error = es("PUT", "/r/_doc/9", {"i": {"gte": 5, "lte": 1}}, 400)["error"]
    expect((error["type"], error["caused_by"]["reason"]), ("document_parsing_exception", "min value (5) is greater than max value (1)"))


def processors(es):
    cases = [({"date": {"field": "d", "formats": ["dd/MM/yyyy"], "target_field": "x", "output_format": "yyyy-MM-dd"}}, {"d": "01/02/2020"}, {"d": "01/02/2020", "x": "2020-02-01"}),
             ({"kv": {"field": "a", "field_split": "&", "value_split": "=", "target_field": "o"}}, {"a": "x=1&y=two"}, {"a": "x=1&y=two", "o": {"x": "1", "y": "two"}}),
             ({"csv": {"field": "a", "target_fields": ["x", "y"]}}, {"a": "1,\"two, three\""}, {"a": "1,\"two, three\"", "x": "1", "y": "two, three"}),
             ({"dissect": {"field": "a", "pattern": "%{ip} - [%{+at} %{+at}] %{?skip}: %{rest}", "append_separator": " "}}, {"a": "1.2.3.4 - [now then] zap: end"}, {"a": "1.2.3.4 - [now then] zap: end", "ip": "1.2.3.4", "at": "now then", "rest": "end"}),
             ({"grok": {"field": "a", "patterns": ["%{IP:client} %{WORD:verb} %{NUMBER:bytes:int} (?<tail>.*)"]}}, {"a": "55.3.244.1 GET 15824 it"}, {"a": "55.3.244.1 GET 15824 it", "client": "55.3.244.1", "verb": "GET", "bytes": 15824, "tail": "it"})]
    for processor, given, want in cases:
        reply = es("POST", "/_ingest/pipeline/_simulate", {"pipeline": {"processors": [processor]}, "docs": [{"_source": given}]})
        expect(reply["docs"][0].get("doc", reply["docs"][0]).get("_source", reply), want)


def snapshots(es):
    es("PUT", "/a", {"mappings": {"properties": {"k": {"type": "keyword"}}}})
    es.put("a", [{"k": "x"}, {"k": "y"}])
    es("GET", "/_snapshot/none", status=404)
    es("PUT", "/_snapshot/repo", {"type": "fs", "settings": {"location": "somewhere"}})
    expect(es("GET", "/_snapshot/repo")["repo"]["type"], "fs")
    made = es("PUT", "/_snapshot/repo/one?wait_for_completion=true", {"indices": "a"})["snapshot"]
    expect((made["state"], made["indices"], made["shards"]), ("SUCCESS", ["a"], {"total": 1, "failed": 0, "successful": 1}))
    es("PUT", "/_snapshot/repo/one", {"indices": "a"}, 400)
    es("DELETE", "/a/_doc/1")
    expect(es("POST", "/_snapshot/repo/one/_restore", {"indices": "a"}, 500)["error"]["type"], "snapshot_restore_exception")
    es("POST", "/a/_close")
    expect(es("POST", "/_snapshot/repo/one/_restore?wait_for_completion=true", {"indices": "a"})["snapshot"]["indices"], ["a"])
    expect(es.ids("a", {"match_all": {}}), ["0", "1"])
    es("POST", "/_snapshot/repo/one/_restore?wait_for_completion=true", {"indices": "a", "rename_pattern": "(.+)", "rename_replacement": "back_$1"})
    expect(es.ids("back_a", {"term": {"k": "y"}}), ["1"])
    expect([s["snapshot"] for s in es("GET", "/_snapshot/repo/_all")["snapshots"]], ["one"])
    expect(es("GET", "/_snapshot/repo/one/_status")["snapshots"][0]["shards_stats"]["done"], 1)
    assert "one repo SUCCESS" in " ".join(es("GET", "/_cat/snapshots/repo").split())
    es("DELETE", "/_snapshot/repo/one")
    es("GET", "/_snapshot/repo/one", status=404)
    es("DELETE", "/_snapshot/repo")
    expect([i["index"] for i in es("GET", "/_cat/indices?format=json&h=index&expand_wildcards=all") if i["index"].startswith(".snapshot")], [])


def streams(es):
    es("PUT", "/_data_stream/logs-a", status=400)
    es("PUT", "/_index_template/logs", {"index_patterns": ["logs-*"], "data_stream": {}, "template": {"mappings": {"properties": {"k": {"type": "keyword"}}}}})
    es("PUT", "/_data_stream/logs-a")
    es("PUT", "/_data_stream/logs-a", status=400)
    es("POST", "/logs-a/_doc", {"@timestamp": "2020-01-01", "k": "x"}, 201)
    expect(es("PUT", "/logs-a/_doc/1", {"@timestamp": "2020-01-01"}, 400)["error"]["reason"], "only write ops with an op_type of create are allowed in data streams")
    es("PUT", "/logs-a/_create/1", {"k": "no time"}, 400)
    expect(es("POST", "/logs-a/_rollover")["rolled_over"], True)
    es("PUT", "/logs-a/_create/2", {"@timestamp": "2020-01-02", "k": "y"}, 201)
    stream = es("GET", "/_data_stream/logs-*")["data_streams"][0]
    expect((stream["name"], stream["generation"], len(stream["indices"]), stream["template"], stream["timestamp_field"]), ("logs-a", 2, 2, "logs", {"name": "@timestamp"}))
    hits = es("POST", "/logs-a/_search", {"sort": ["@timestamp"]})["hits"]["hits"]
    expect([(h["_source"]["k"], h["_index"]) for h in hits], [("x", stream["indices"][0]["index_name"]), ("y", stream["indices"][1]["index_name"])])
    expect(es("POST", "/logs-b/_doc", {"@timestamp": "2020-01-01"}, 201)["_index"].startswith(".ds-logs-b-"), True)
    expect([s["name"] for s in es("GET", "/_resolve/index/logs-*")["data_streams"]], ["logs-a", "logs-b"])
    es("DELETE", "/_data_stream/logs-*")
    es("GET", "/_data_stream/logs-a", status=404)
    expect(es("GET", "/_data_stream")["data_streams"], [])


def synonyms(es):
    expect(es("PUT", "/_synonyms/s", {"synonyms_set": [{"synonyms": "hello, hi"}, {"synonyms": "bye => goodbye", "id": "b"}]}, 201)["result"], "created")
    expect(es("GET", "/_synonyms/s?size=10")["count"], 2)
    expect(es("PUT", "/_synonyms/s/z", {"synonyms": "a, b"}, 201)["result"], "created")
    expect(es("GET", "/_synonyms/s/b"), {"id": "b", "synonyms": "bye => goodbye"})
    expect(es("GET", "/_synonyms"), {"count": 1, "results": [{"synonyms_set": "s", "count": 3}]})
    es("DELETE", "/_synonyms/s/b")
    es("GET", "/_synonyms/s/b", status=404)
    es("DELETE", "/_synonyms/s")
    es("GET", "/_synonyms/s", status=404)


def cluster(es):
    expect(es("GET", "/_health_report")["indicators"]["master_is_stable"]["status"], "green")
    es("GET", "/_health_report/nothing", status=404)
    es("DELETE", "/_cluster/voting_config_exclusions?wait_for_removal=false")
    expect(es("PUT", "/_internal/desired_nodes/h/1", {"nodes": [{"settings": {"node.name": "n"}, "processors": 1, "memory": "1b", "storage": "1b"}]})["replaced_existing_history_id"], False)
    expect(es("GET", "/_internal/desired_nodes/_latest")["version"], 1)
    es("PUT", "/_internal/desired_nodes/h/0", {"nodes": [{"settings": {"node.name": "n"}, "processors": 1, "memory": "1b", "storage": "1b"}]}, 409)
    es("DELETE", "/_internal/desired_nodes")
    es("GET", "/_internal/desired_nodes/_latest", status=404)
    es("PUT", "/one", {"settings": {"number_of_replicas": 0}})
    expect(list(es("GET", "/one/_shard_stores?status=green")["indices"]), ["one"])
    es("POST", "/one/_disk_usage", status=400)
    assert es("POST", "/one/_disk_usage?run_expensive_tasks=true")["one"]["store_size_in_bytes"] >= 0
    expect([f["name"] for f in es("GET", "/_features")["features"]], ["synonyms", "tasks"])


def fields(es):
    es("PUT", "/f", {"mappings": {"properties": {"p": {"type": "nested", "properties": {"m": {"type": "keyword"}, "n": {"type": "integer"}}}, "d": {"type": "date"}, "g": {"type": "geo_point"}, "h": {"properties": {"x": {"type": "long"}}}}}})
    es("PUT", "/f/_doc/1", {"p": [{"m": "a", "n": "1"}, {"m": "b"}], "d": "2020-01-02", "g": [2, 1], "h": {"x": "7"}}, 201)
    got = es("POST", "/f/_search", {"_source": False, "fields": ["p.*", {"field": "d", "format": "yyyy"}, "g", "h*"]})["hits"]["hits"][0]["fields"]
    expect(got, {"p": [{"m": ["a"], "n": [1]}, {"m": ["b"]}], "d": ["2020"], "g": [{"type": "Point", "coordinates": [2.0, 1.0]}], "h.x": [7]})
    es("PUT", "/u", {"mappings": {"dynamic": False, "properties": {"a": {"type": "keyword"}}}})
    es("PUT", "/u/_doc/1", {"a": "x", "b": {"c": 1}}, 201)
    expect(es("POST", "/u/_search", {"fields": [{"field": "*", "include_unmapped": True}]})["hits"]["hits"][0]["fields"], {"a": ["x"], "b.c": [1]})


def main():
    parts = (suggesters, ranges, processors, snapshots, streams, synonyms, cluster, fields)
    failed = 0
    with harness.Server(doors=("elasticsearch",)) as server:
        for part in parts:
            try:
                part(Client(server.ports["elasticsearch"]))
                print("ok", part.__name__)
            except Exception as e:  # every part is run
                failed += 1
                print("FAILED", part.__name__, repr(e)[:1500])
    print(f"{len(parts) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
