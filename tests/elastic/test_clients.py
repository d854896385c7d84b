"""Elasticsearch's own clients: @elastic/elasticsearch 8 and 9 (clients.js), elasticsearch-py; each against a server of its own."""
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402


def node(tally, package):
    if not (HERE.parent / "clients/node_modules" / package).exists() or shutil.which("node") is None:
        print(f"skipped: {package} is not installed (npm install in tests/clients)")
        return
    with harness.Server(doors=("elasticsearch",)) as server:
        done = subprocess.run(["node", str(HERE / "clients.js"), package, f"http://127.0.0.1:{server.ports['elasticsearch']}"],
                              capture_output=True, text=True, timeout=300)
    counts = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
    if not tally.check(f"{package} came to its end", counts is not None, done.stdout[-2000:] + done.stderr[-2000:]):
        return
    print("\n".join(f"{package}: {line}" for line in done.stdout.splitlines()[:-1]), end="\n" if int(counts[2]) else "")
    tally.passed += int(counts[1])
    tally.failed += int(counts[2])


def python(tally):
    try:
        import elasticsearch
        import elasticsearch.helpers
    except ImportError:
        print("skipped: python3-elasticsearch is not installed")
        return
    with harness.Server(doors=("elasticsearch",)) as server:
        es = elasticsearch.Elasticsearch([f"http://127.0.0.1:{server.ports['elasticsearch']}"])
        tally.check("ping", es.ping())
        tally.equal("create", es.indices.create(index="stones", body={"mappings": {"properties": {"name": {"type": "text"}, "kind": {"type": "keyword"}, "weight": {"type": "double"}}}}),
                    {"acknowledged": True, "shards_acknowledged": True, "index": "stones"})
        tally.equal("bulk helper", elasticsearch.helpers.bulk(es, ({"_index": "stones", "_id": i, "name": f"stone number {i}", "kind": "even" if i % 2 == 0 else "odd", "weight": i / 2} for i in range(50))), (50, []))
        tally.equal("get", es.get(index="stones", id="4"), {"_index": "stones", "_id": "4", "_version": 1, "_seq_no": 4, "_primary_term": 1, "found": True,
                                                         "_source": {"name": "stone number 4", "kind": "even", "weight": 2.0}})
        reply = es.search(index="stones", body={"query": {"match": {"name": "17"}}, "aggs": {"k": {"terms": {"field": "kind"}}}})
        tally.equal("search", (reply["hits"]["total"], reply["hits"]["hits"][0]["_id"], reply["aggregations"]["k"]["buckets"]), ({"value": 1, "relation": "eq"}, "17", [{"key": "odd", "doc_count": 1}]))
        tally.equal("scan helper", len(list(elasticsearch.helpers.scan(es, index="stones", size=7))), 50)
        tally.equal("update", es.update(index="stones", id="4", body={"doc": {"weight": 9}})["result"], "updated")
        tally.equal("count", es.count(index="stones", body={"query": {"range": {"weight": {"gte": 9}}}})["count"], 33)
        try:
            es.create(index="stones", id="4", body={})
            tally.check("conflict", False)
        except elasticsearch.ConflictError as error:
            tally.equal("conflict", (error.status_code, error.error), (409, "version_conflict_engine_exception"))
        try:
            es.search(index="nothing")
            tally.check("not found", False)
        except elasticsearch.NotFoundError as error:
            tally.equal("not found", (error.status_code, error.error, error.info["error"]["reason"]), (404, "index_not_found_exception", "no such index [nothing]"))
        tally.equal("exists", (es.exists(index="stones", id="4"), es.exists(index="stones", id="x"), es.indices.exists(index="stones")), (True, False, True))
        tally.equal("delete by query", es.delete_by_query(index="stones", body={"query": {"term": {"kind": "odd"}}})["deleted"], 25)
        tally.equal("cat", es.cat.count(index="stones", h="count").strip(), "25")
        tally.equal("delete", es.indices.delete(index="stones"), {"acknowledged": True})


def main():
    tally = harness.Tally()
    for package in ("elasticsearch8", "elasticsearch9"):
        node(tally, package)
    python(tally)
    tally.done()


main()
