#!/usr/bin/env python3
"""One relation as SQL table, Elasticsearch index and Qdrant collection: what is committed through one door is there in the others
by the same commit, own uncommitted vectors are seen, hybrid questions get one answer, and recall survives deletes, restarts and kills."""
import json
import math
import pathlib
import random
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]
import harness  # noqa: E402
import pgwire  # noqa: E402

SEED = 20261121
DIMENSIONS = 16
COUNT = 6000


def http(port, method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


class Doors:
    def __init__(self, server):
        self.server = server
        self.sql = pgwire.Connection(server.ports["postgres"], timeout=300)

    def run(self, text):
        results = self.sql.query(text)
        for r in results:
            if r.error:
                raise AssertionError(f"{text}: {r.error}")
        return results[-1].rows

    def by_sql(self, v, k, where="true"):
        return [int(r[0]) for r in self.run(f"SELECT id FROM things WHERE {where} ORDER BY embedding <=> '{json.dumps(v)}' LIMIT {k}")]

    def by_qdrant(self, v, k, condition=None):
        body = {"query": v, "using": "embedding", "limit": k}
        if condition:
            body["filter"] = {"must": [condition]}
        return [p["id"] for p in http(self.server.ports["qdrant"], "POST", "/collections/things/points/query", body)["result"]["points"]]

    def by_elastic(self, v, k, filters=None):
        knn = {"field": "embedding", "query_vector": v, "k": k, "num_candidates": max(k, 100)}
        if filters:
            knn["filter"] = filters
        reply = http(self.server.ports["elasticsearch"], "POST", "/things/_search", {"knn": knn, "size": k, "_source": False})
        if "hits" not in reply:
            raise AssertionError(reply)
        return [int(h["_id"]) for h in reply["hits"]["hits"]]


def vectors(rng, n):
    centres = [[rng.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(30)]
    return [[round(c + rng.gauss(0, 0.5), 4) for c in centres[rng.randrange(30)]] for _ in range(n)]


def nearest(data, q, k, passes=lambda i: True):
    def distance(v):
        dot = sum(a * b for a, b in zip(v, q))
        return 1 - dot / math.sqrt(sum(a * a for a in v) * sum(b * b for b in q))
    return [i for _, i in sorted((distance(v), i) for i, v in data.items() if passes(i))[:k]]


def recall(doors, data, queries, ask, k=10, passes=lambda i: True):
    hits = wanted = 0
    for q in queries:
        want = nearest(data, q, k, passes)
        got = ask(q, k)
        if len(got) != len(want):
            raise AssertionError(f"{len(got)} results instead of {len(want)}")
        wanted += len(want)
        hits += len(set(want) & set(got))
    return hits / wanted


def linked(doors):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        info = http(doors.server.ports["qdrant"], "GET", "/collections/things")["result"]
        if info["indexed_vectors_count"] >= info["points_count"]:
            return True
        time.sleep(0.05)
    return False


def visibility(tally, server, doors, data):
    q = [9.0] + [0.0] * (DIMENSIONS - 1)
    text = json.dumps(q)
    other = pgwire.Connection(server.ports["postgres"])
    doors.run("BEGIN")
    doors.run(f"INSERT INTO things VALUES (900001, 'own', 'own uncommitted row', 3, '{text}')")
    tally.equal("own uncommitted vector", doors.by_sql(q, 1), [900001])
    tally.check("not seen by others", [900001] != [int(r[0]) for r in other.query(f"SELECT id FROM things ORDER BY embedding <=> '{text}' LIMIT 1")[0].rows])
    tally.check("not in Qdrant", 900001 not in doors.by_qdrant(q, 3))
    doors.run("SAVEPOINT s")
    doors.run("DELETE FROM things WHERE id = 900001")
    tally.check("own delete", 900001 not in doors.by_sql(q, 3))
    doors.run("ROLLBACK TO s")
    tally.equal("after ROLLBACK TO", doors.by_sql(q, 1), [900001])
    doors.run("ROLLBACK")
    tally.check("rollback leaves nothing", 900001 not in doors.by_sql(q, 3) + doors.by_qdrant(q, 3) + doors.by_elastic(q, 3))
    # SQL writes, the others see it at once; and the other way round.
    doors.run(f"INSERT INTO things VALUES (900002, 'x', 'from sql', 3, '{text}')")
    tally.equal("SQL to Qdrant", doors.by_qdrant(q, 1), [900002])
    tally.equal("SQL to Elasticsearch", doors.by_elastic(q, 1), [900002])
    reply = http(server.ports["qdrant"], "PUT", "/collections/things/points?wait=true",
                 {"points": [{"id": 900003, "vector": {"embedding": [8.0, 0.1] + [0.0] * (DIMENSIONS - 2)}, "payload": {"name": "y", "body": "from qdrant", "shelf": 4}}]})
    tally.equal("Qdrant upsert", reply.get("status"), "ok")
    tally.equal("Qdrant to SQL", doors.by_sql(q, 2), [900002, 900003])
    tally.equal("Qdrant to Elasticsearch", doors.by_elastic(q, 2), [900002, 900003])
    doors.run("DELETE FROM things WHERE id = 900002")
    tally.equal("a delete vanishes everywhere", [doors.by_sql(q, 1), doors.by_qdrant(q, 1), doors.by_elastic(q, 1)], [[900003]] * 3)
    doors.run("UPDATE things SET id = 900004 WHERE id = 900003")
    tally.equal("a changed key moves the point", [doors.by_sql(q, 1), doors.by_qdrant(q, 1), doors.by_elastic(q, 1)], [[900004]] * 3)
    # An update never shows both or neither: a row flips between two places while readers look.
    a, b = [5.0] * DIMENSIONS, [-5.0] * DIMENSIONS
    doors.run(f"INSERT INTO things VALUES (900010, 'flip', 'flip', 777, '{json.dumps(a)}')")
    stop, wrong = threading.Event(), []

    def look():
        while not stop.is_set():
            reply = http(server.ports["qdrant"], "POST", "/collections/things/points/query/batch",
                         {"searches": [{"query": v, "using": "embedding", "limit": 1, "filter": {"must": [{"key": "shelf", "match": {"value": 777}}]}} for v in (a, b)]})
            for one in reply["result"]:
                if [p["id"] for p in one["points"]] != [900010]:
                    wrong.append(reply)
    reader = threading.Thread(target=look)
    reader.start()
    for i in range(60):
        doors.run(f"UPDATE things SET embedding = '{json.dumps(b if i % 2 == 0 else a)}' WHERE id = 900010")
    stop.set()
    reader.join()
    tally.check("an update shows exactly one version", not wrong, wrong[:1])
    doors.run("DELETE FROM things WHERE id >= 900000")


def hybrid(tally, server, doors, data):
    """Reciprocal rank fusion of a text and a vector question, asked in SQL and Elasticsearch; the vector half of it in all three."""
    q = data[17]
    text = json.dumps(q)
    sql = [int(r[0]) for r in doors.run(f"""
        WITH words AS (SELECT id, row_number() OVER (ORDER BY shelf, id) AS rank FROM (SELECT id, shelf FROM things WHERE shelf = 3 ORDER BY shelf, id LIMIT 50) w),
             near AS (SELECT id, row_number() OVER (ORDER BY distance, id) AS rank
                      FROM (SELECT id, embedding <=> '{text}' AS distance FROM things ORDER BY embedding <=> '{text}' LIMIT 50) n)
        SELECT id FROM words FULL JOIN near USING (id)
        ORDER BY coalesce(1.0 / (60 + words.rank), 0) + coalesce(1.0 / (60 + near.rank), 0) DESC, id LIMIT 10""")]
    reply = http(server.ports["elasticsearch"], "POST", "/things/_search", {"size": 10, "_source": False, "retriever": {"rrf": {
        "rank_window_size": 50, "rank_constant": 60, "retrievers": [
            {"standard": {"query": {"constant_score": {"filter": {"term": {"shelf": 3}}}}}},
            {"knn": {"field": "embedding", "query_vector": q, "k": 50, "num_candidates": 200}}]}}})
    elastic = [int(h["_id"]) for h in reply.get("hits", {}).get("hits", [])] or reply
    reply = http(server.ports["qdrant"], "POST", "/collections/things/points/query", {"limit": 10, "query": {"rrf": {"k": 61}}, "prefetch": [
        {"filter": {"must": [{"key": "shelf", "match": {"value": 3}}]}, "limit": 50},
        {"query": q, "using": "embedding", "limit": 50}]})
    qdrant = [p["id"] for p in reply["result"]["points"]] if isinstance(reply.get("result"), dict) else reply
    tally.equal("hybrid: Elasticsearch and SQL", elastic, sql)
    # Weighted fusion of scores, each brought to at most 1.
    weighted = [int(r[0]) for r in doors.run(f"""
        WITH words AS (SELECT id, 1.0 / shelf AS score FROM things WHERE shelf = 3 ORDER BY id LIMIT 50),
             near AS (SELECT id, 1 - distance / 2 AS score
                      FROM (SELECT id, embedding <=> '{text}' AS distance FROM things ORDER BY embedding <=> '{text}' LIMIT 50) n)
        SELECT id FROM words FULL JOIN near USING (id)
        ORDER BY 0.3 * coalesce(words.score, 0) + 0.7 * coalesce(near.score, 0) DESC, id LIMIT 10""")]
    def similarity(v):
        return sum(a * b for a, b in zip(v, q)) / math.sqrt(sum(a * a for a in v) * sum(b * b for b in q))
    scores = {i: 0.7 * (1 + similarity(data[i])) / 2 for i in nearest(data, q, 50)}
    for i in sorted(i for i in data if i % 100 == 3)[:50]:
        scores[i] = scores.get(i, 0) + 0.3 / 3
    tally.equal("weighted fusion", weighted[:3], sorted(scores, key=lambda i: (-scores[i], i))[:3])
    tally.equal("hybrid: Qdrant and SQL", qdrant, sql)


def main():
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    tally = harness.Tally()
    with harness.Server(doors=("postgres", "elasticsearch", "qdrant")) as server:
        doors = Doors(server)
        doors.run(f"CREATE TABLE things (id int PRIMARY KEY, name text, body text, shelf int, embedding vector({DIMENSIONS}))")
        doors.run("CREATE INDEX things_embedding ON things USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 100, recall = 0.98)")
        doors.run("CREATE INDEX things_search ON things USING search (name, body, shelf)")
        made = vectors(rng, COUNT + 600)
        data = {}
        for first in range(0, COUNT, 1000):
            rows = []
            for i in range(first, first + 1000):
                data[i] = made[i]
                rows.append(f"({i}, 'n{i}', 'thing number {i}', {i % 100}, '{json.dumps(made[i])}')")
            doors.run("INSERT INTO things VALUES " + ", ".join(rows))
        queries = vectors(rng, 25)
        doors.run("ANALYZE things")
        tally.check("exact before linking", recall(doors, data, queries[:5], doors.by_qdrant) >= 0.95)
        tally.check("linked", linked(doors))
        plan = "\n".join(r[0] for r in doors.run(f"EXPLAIN SELECT id FROM things ORDER BY embedding <=> '{json.dumps(queries[0])}' LIMIT 10"))
        tally.check("the planner uses the graph", "things_embedding" in plan and "Order By" in plan, plan)
        analysed = "\n".join(r[0] for r in doors.run(f"EXPLAIN ANALYZE SELECT id FROM things ORDER BY embedding <=> '{json.dumps(queries[0])}' LIMIT 10"))
        tally.check("EXPLAIN ANALYZE shows recall and path", "Measured Recall" in analysed and "Path" in analysed, analysed)
        tally.check("EXPLAIN ANALYZE shows the contract", "Recall Contract: 0.980" in analysed, analysed)

        def floors(when):
            for name, ask in (("SQL", doors.by_sql), ("Qdrant", doors.by_qdrant), ("Elasticsearch", doors.by_elastic)):
                r = recall(doors, data, queries, ask)
                tally.check(f"recall {when} through {name}", r >= 0.95, r)
            r = recall(doors, data, queries[:10], lambda v, k: doors.by_sql(v, k, "shelf = 3"), passes=lambda i: i % 100 == 3)
            tally.check(f"filtered recall {when} through SQL", r >= 0.95, r)
            r = recall(doors, data, queries[:10], lambda v, k: doors.by_qdrant(v, k, {"key": "shelf", "range": {"lt": 40}}), passes=lambda i: i % 100 < 40)
            tally.check(f"filtered recall {when} through Qdrant", r >= 0.95, r)

        floors("at first")
        visibility(tally, server, doors, data)
        hybrid(tally, server, doors, data)
        gone = rng.sample(sorted(data), COUNT * 3 // 10)
        for i in gone:
            del data[i]
        doors.run(f"DELETE FROM things WHERE id IN ({', '.join(map(str, gone))})")
        floors("after 30 % deletes")
        moved = rng.sample(sorted(data), 500)
        for n, i in enumerate(moved):
            data[i] = made[COUNT + n]
        doors.run("BEGIN;" + ";".join(f"UPDATE things SET embedding = '{json.dumps(data[i])}' WHERE id = {i}" for i in moved) + ";COMMIT")
        floors("after updates")
        tally.check("linked again", linked(doors))
        server.stop()
        server.start()
        doors = Doors(server)
        tally.check("linked after a restart", linked(doors))
        floors("after a restart")
        doors.run(f"INSERT INTO things VALUES (7, 'late', 'late', 7, '{json.dumps(made[7])}') ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding")
        data[7] = made[7]
        server.kill()
        server.start()
        doors = Doors(server)
        floors("right after a kill")
    tally.done()


if __name__ == "__main__":
    main()
