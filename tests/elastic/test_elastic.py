"""The Elasticsearch door over plain HTTP: of a server of its own, or of the one whose address is the argument."""
import json
import pathlib
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

BASE = ""


def call(method, path, body=None):
    data = None
    if body is not None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
    request = urllib.request.Request(BASE + path, data=data, method=method)
    if data:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as reply:
            status, text, product = reply.status, reply.read().decode(), reply.headers["X-Elastic-Product"]
    except urllib.error.HTTPError as error:
        status, text, product = error.code, error.read().decode(), error.headers["X-Elastic-Product"]
    assert product == "Elasticsearch"
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def expect(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def hits(query, **options):
    status, reply = call("POST", "/films/_search", {"query": query, **options})
    expect(status, 200)
    return [h["_id"] for h in reply["hits"]["hits"]]


def main():
    call("DELETE", "/films")
    expect(call("PUT", "/films", {"mappings": {"properties": {
        "title": {"type": "text"}, "year": {"type": "integer"}, "genre": {"type": "keyword"},
        "released": {"type": "date"}, "place": {"type": "geo_point"}}}})[0], 200)
    expect(call("PUT", "/films")[1]["error"]["type"], "resource_already_exists_exception")
    lines = []
    for i, (title, year, genre) in enumerate([
            ("The Quick Brown Fox", 1950, "western"), ("Brown Bear, Brown Bear", 1967, "family"),
            ("Quick Change", 1990, "comedy"), ("The Fox and the Hound", 1981, "family")]):
        lines += [json.dumps({"index": {"_id": str(i)}}),
                  json.dumps({"title": title, "year": year, "genre": genre, "released": f"{year}-06-01",
                              "place": {"lat": i, "lon": i}})]
    status, reply = call("POST", "/films/_bulk", "\n".join(lines) + "\n")
    expect((status, reply["errors"]), (200, False))

    expect(sorted(hits({"match": {"title": "fox"}})), ["0", "3"])
    expect(hits({"match_phrase": {"title": "quick brown"}}), ["0"])
    expect(hits({"match": {"title": "brown"}})[0], "1")
    expect(hits({"fuzzy": {"title": "hounf"}}), ["3"])
    expect(hits({"prefix": {"title": "chan"}}), ["2"])
    expect(hits({"range": {"year": {"gte": 1967, "lt": 1990}}}, sort=[{"year": "desc"}]), ["3", "1"])
    expect(hits({"query_string": {"query": "title:quick AND NOT genre:comedy"}}), ["0"])
    expect(hits({"geo_distance": {"distance": "50km", "place": {"lat": 2, "lon": 2}}}), ["2"])
    reply = call("POST", "/films/_search", {"size": 0, "aggs": {
        "g": {"terms": {"field": "genre"}, "aggs": {"y": {"avg": {"field": "year"}}}},
        "d": {"date_histogram": {"field": "released", "calendar_interval": "year", "min_doc_count": 1}}}})[1]
    expect(reply["aggregations"]["g"]["buckets"][0], {"key": "family", "doc_count": 2, "y": {"value": 1974.0}})
    expect([b["key_as_string"] for b in reply["aggregations"]["d"]["buckets"]][0], "1950-01-01T00:00:00.000Z")

    # Versions and conflicts.
    got = call("PUT", "/films/_doc/9", {"title": "x"})[1]
    expect((got["result"], got["_version"]), ("created", 1))
    expect(call("PUT", f"/films/_doc/9?if_seq_no={got['_seq_no']}&if_primary_term=1", {"title": "y"})[1]["_version"], 2)
    status, reply = call("PUT", f"/films/_doc/9?if_seq_no={got['_seq_no']}&if_primary_term=1", {"title": "z"})
    expect((status, reply["error"]["type"]), (409, "version_conflict_engine_exception"))
    expect(call("PUT", "/films/_create/9", {"title": "z"})[0], 409)
    expect(call("POST", "/films/_update/9", {"doc": {"title": "y"}})[1]["result"], "noop")
    expect(call("DELETE", "/films/_doc/9")[1]["result"], "deleted")
    expect(call("GET", "/films/_doc/9")[0], 404)

    # Errors.
    status, reply = call("POST", "/films/_search", {"query": {"nonsense": {}}})
    expect((status, reply["error"]["type"]), (400, "parsing_exception"))
    status, reply = call("GET", "/films/_search?nonsense=1")
    expect(reply["error"]["reason"], "request [/films/_search] contains unrecognized parameter: [nonsense]")
    expect(call("GET", "/absent/_search")[1]["error"]["type"], "index_not_found_exception")
    status, reply = call("PUT", "/films/_doc/10", {"year": "not a number"})
    expect((status, reply["error"]["type"]), (400, "document_parsing_exception"))
    expect(call("POST", "/films/_search", {"from": 20000})[0], 400)
    expect(call("POST", "/films/_search", '{"a":' * 2000)[0], 400)
    expect(call("GET", "/films/_count")[1]["count"], 4)
    expect(call("DELETE", "/films")[1], {"acknowledged": True})


def run():
    global BASE
    failed = 0
    if len(sys.argv) > 1:
        BASE = sys.argv[1]
        main()
    else:
        with harness.Server(doors=("elasticsearch",)) as server:
            BASE = f"http://127.0.0.1:{server.ports['elasticsearch']}"
            try:
                main()
            except AssertionError as error:
                failed = 1
                print(error)
    print(f"{1 - failed} passed, {failed} failed")
    sys.exit(failed)


run()
