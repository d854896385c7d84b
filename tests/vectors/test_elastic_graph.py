#!/usr/bin/env python3
"""dense_vector fields of an index made through Elasticsearch have graphs: knn keeps its recall and its visibility, whole answers come
under filters, an update that leaves the vector alone leaves it alone, and a restart brings it all back."""
import json
import math
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import harness  # noqa: E402
from test_visibility import http  # noqa: E402

SEED, DIMENSIONS, COUNT = 7, 8, 3000


def bulk(port, lines):
    import urllib.request
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_bulk?refresh=true", data=data, method="POST", headers={"Content-Type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.loads(reply.read())


def main():
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    tally = harness.Tally()
    with harness.Server(doors=("elasticsearch", "qdrant")) as server:
        http(server.ports["elasticsearch"], "PUT", "/docs", {"mappings": {"properties": {
            "title": {"type": "text"}, "n": {"type": "integer"},
            "at": {"properties": {"v": {"type": "dense_vector", "dims": DIMENSIONS, "index": True, "similarity": "l2_norm", "index_options": {"type": "hnsw", "m": 16, "ef_construction": 100}}}},
            "measured": {"type": "dense_vector", "dims": 2, "index": False}}}})
        data = {f"{i:05d}": [round(rng.gauss(i % 10, 1), 3) for _ in range(DIMENSIONS)] for i in range(COUNT)}
        lines = []
        for key, v in data.items():
            lines += [{"index": {"_index": "docs", "_id": key}}, {"title": f"number {key}", "n": int(key) % 50, "at": {"v": v}, "measured": [1, int(key)]}]
        tally.equal("bulk", bulk(server.ports["elasticsearch"], lines)["errors"], False)

        def ask(q, k=10, filters=None):
            knn = {"field": "at.v", "query_vector": q, "k": k, "num_candidates": 100}
            if filters:
                knn["filter"] = filters
            return http(server.ports["elasticsearch"], "POST", "/docs/_search", {"knn": knn, "size": k, "_source": False})["hits"]["hits"]

        def near(q, k=10, passes=lambda i: True):
            return [key for _, key in sorted((math.dist(q, v), key) for key, v in data.items() if passes(key))[:k]]

        def floor(when):
            hits = 0
            for _ in range(20):
                q = [rng.gauss(rng.randrange(10), 1) for _ in range(DIMENSIONS)]
                got = ask(q)
                hits += len({h["_id"] for h in got} & set(near(q)))
            tally.check(f"recall {when}", hits >= 190, hits)
            got = ask(q, 10, {"term": {"n": 3}})
            tally.equal(f"filtered {when}", [h["_id"] for h in got], near(q, 10, lambda key: int(key) % 50 == 3))

        def graph(wanted):
            deadline = time.monotonic() + 60
            info = {}
            while time.monotonic() < deadline:
                info = http(server.ports["qdrant"], "GET", "/collections/docs")["result"]
                if info["indexed_vectors_count"] >= wanted:
                    return True
                time.sleep(0.05)
            return info
        floor("before linking")
        tally.equal("in the graph", graph(COUNT), True)
        floor("with the graph")
        top = ask(data["00042"], 1)[0]
        tally.equal("the id as it was given", top["_id"], "00042")
        tally.check("Lucene's score", abs(top["_score"] - 1.0) < 1e-5, top)
        http(server.ports["elasticsearch"], "POST", "/docs/_update/00042?refresh=true", {"doc": {"title": "renamed"}})
        tally.equal("an update of another field", ask(data["00042"], 1)[0]["_id"], "00042")
        http(server.ports["elasticsearch"], "DELETE", "/docs/_doc/00042?refresh=true")
        tally.check("a delete vanishes", ask(data["00042"], 1)[0]["_id"] != "00042")
        del data["00042"]
        data["00043"] = [50.0] * DIMENSIONS
        http(server.ports["elasticsearch"], "POST", "/docs/_update/00043?refresh=true", {"doc": {"at": {"v": data["00043"]}}})
        tally.equal("a moved vector", ask([50.0] * DIMENSIONS, 1)[0]["_id"], "00043")
        reply = http(server.ports["elasticsearch"], "POST", "/docs/_search", {"knn": {"field": "at.v", "query_vector": [1], "k": 1, "num_candidates": 5}})
        tally.equal("dimensions", reply.get("status"), 400)
        server.stop()
        server.start()
        floor("after a restart")
        tally.check("the server lives", server.alive())
    tally.done()


if __name__ == "__main__":
    main()
