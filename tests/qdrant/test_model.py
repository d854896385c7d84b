#!/usr/bin/env python3
"""Random changes of a collection beside a model of it: payloads, vectors, filters with and without indexes, orders, facets, nearest points,
before and after a restart."""
import math
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import harness  # noqa: E402
from test_families import Api, ids  # noqa: E402

SEED, STEPS, IDS = 11, 400, 60
CITIES = ["Berlin", "London", "Moscow", "Oslo", "Rome"]
INDEXES = {"city": "keyword", "n": "integer", "f": "float", "flag": "bool", "where": "geo", "t": {"type": "text", "tokenizer": "word"}}


def values(payload, key):
    v = payload.get(key)
    return v if isinstance(v, list) else [] if v is None else [v]


class Model:
    def __init__(self, rng):
        self.rng, self.points = rng, {}   # id -> (vector or None, payload)

    def payload(self):
        rng = self.rng
        p = {"n": rng.choice([rng.randrange(20), [rng.randrange(20) for _ in range(rng.randrange(3))], None]), "f": round(rng.uniform(-5, 5), 3),
             "city": rng.choice([rng.choice(CITIES), rng.sample(CITIES, 2), [], None]), "flag": rng.random() < 0.5,
             "where": {"lon": round(rng.uniform(-170, 170), 4), "lat": round(rng.uniform(-80, 80), 4)},
             "t": " ".join(rng.choice(["red", "Green", "blue", "GRAY"]) for _ in range(3))}
        return {k: v for k, v in p.items() if rng.random() < 0.8}

    def vector(self):
        return [round(self.rng.uniform(-1, 1), 3) for _ in range(4)]

    def condition(self):
        rng = self.rng
        kind = rng.randrange(12)
        if kind == 0:
            c = rng.choice(CITIES)
            return {"key": "city", "match": {"value": c}}, lambda i, v, p: c in values(p, "city")
        if kind == 1:
            some = rng.sample(CITIES, 2)
            return {"key": "city", "match": {"any": some}}, lambda i, v, p: any(x in some for x in values(p, "city"))
        if kind == 2:
            some = rng.sample(CITIES, 2)
            return {"key": "city", "match": {"except": some}}, lambda i, v, p: any(x not in some for x in values(p, "city"))
        if kind == 3:
            low = rng.randrange(15)
            return {"key": "n", "range": {"gte": low, "lt": low + 6}}, lambda i, v, p: any(low <= x < low + 6 for x in values(p, "n"))
        if kind == 4:
            high = rng.uniform(-5, 5)
            return {"key": "f", "range": {"gt": -4, "lte": high}}, lambda i, v, p: any(-4 < x <= high for x in values(p, "f"))
        if kind == 5:
            flag = rng.random() < 0.5
            return {"key": "flag", "match": {"value": flag}}, lambda i, v, p: p.get("flag") is flag
        if kind == 6:
            west, south = rng.uniform(-180, 180), rng.uniform(-90, 40)
            east, north = rng.uniform(-180, 180), south + 50

            def inside(i, v, p):
                g = p.get("where")
                if g is None or not south <= g["lat"] <= north:
                    return False
                return west <= g["lon"] <= east if west <= east else g["lon"] >= west or g["lon"] <= east
            return {"key": "where", "geo_bounding_box": {"top_left": {"lon": west, "lat": north}, "bottom_right": {"lon": east, "lat": south}}}, inside
        if kind == 7:
            words = rng.sample(["red", "green", "blue", "gray"], 2)
            return {"key": "t", "match": {"text": " ".join(words)}}, lambda i, v, p: all(w in p.get("t", "").lower().split() for w in words)
        if kind == 8:
            some = rng.sample(range(IDS), 20)
            return {"has_id": some}, lambda i, v, p: i in some
        if kind == 9:
            key = rng.choice(["city", "n"])
            return {"is_empty": {"key": key}}, lambda i, v, p: not values(p, key)
        if kind == 10:
            return {"has_vector": ""}, lambda i, v, p: v is not None
        least = rng.randrange(3)
        return {"key": "city", "values_count": {"gte": least}}, lambda i, v, p: len(values(p, "city")) >= least

    def filter(self, depth=0):
        """A filter and what it means."""
        rng, spec, tests = self.rng, {}, []
        for clause in rng.sample(["must", "should", "must_not", "min_should"], rng.randrange(1, 3)):
            some = [self.filter(depth + 1) if depth < 2 and rng.random() < 0.2 else self.condition() for _ in range(rng.randrange(1, 4))]
            specs, asked = [s for s, _ in some], [t for _, t in some]
            if clause == "min_should":
                least = rng.randrange(1, len(some) + 1)
                spec[clause] = {"conditions": specs, "min_count": least}
                tests.append(lambda *p, a=asked, n=least: sum(t(*p) for t in a) >= n)
                continue
            spec[clause] = specs
            tests.append({"must": lambda *p, a=asked: all(t(*p) for t in a), "should": lambda *p, a=asked: any(t(*p) for t in a),
                          "must_not": lambda *p, a=asked: not any(t(*p) for t in a)}[clause])
        return spec, lambda *p: all(t(*p) for t in tests)

    def matching(self, test):
        return sorted(i for i, (v, p) in self.points.items() if test(i, v, p))


def change(api, model):
    rng, base = model.rng, "/collections/model/points"
    some = rng.sample(range(IDS), rng.randrange(1, 5))
    there = [i for i in some if i in model.points]
    kind = rng.randrange(9)
    if kind < 3 or not there:
        new = {i: (model.vector() if rng.random() < 0.9 else None, model.payload()) for i in some}
        api.ok("upsert", "PUT", base + "?wait=true", {"points": [{"id": i, "vector": v if v is not None else {}, "payload": p} for i, (v, p) in new.items()]})
        model.points.update(new)
    elif kind == 3:
        api.ok("delete", "POST", base + "/delete?wait=true", {"points": some})
        for i in there:
            del model.points[i]
    elif kind == 4:
        p = model.payload()
        api.ok("set", "POST", base + "/payload?wait=true", {"payload": p, "points": there})
        for i in there:
            model.points[i][1].update(p)
            for key in [k for k, v in p.items() if v is None]:
                model.points[i][1].pop(key, None)
    elif kind == 5:
        spec, test = model.filter()
        p = model.payload()
        api.ok("overwrite", "PUT", base + "/payload?wait=true", {"payload": p, "filter": spec})
        for i in model.matching(test):
            model.points[i] = (model.points[i][0], dict(p))
    elif kind == 6:
        keys = rng.sample(sorted(INDEXES), 2)
        api.ok("delete keys", "POST", base + "/payload/delete?wait=true", {"keys": keys, "points": there})
        for i in there:
            for key in keys:
                model.points[i][1].pop(key, None)
    elif kind == 7:
        v = model.vector()
        api.ok("vectors", "PUT", base + "/vectors?wait=true", {"points": [{"id": i, "vector": v} for i in there]})
        for i in there:
            model.points[i] = (v, model.points[i][1])
    else:
        api.ok("no vectors", "POST", base + "/vectors/delete?wait=true", {"points": there, "vector": [""]})
        for i in there:
            model.points[i] = (None, model.points[i][1])


def compare(api, model, when):
    rng, base = model.rng, "/collections/model/points"
    spec, test = model.filter()
    want = model.matching(test)
    got = api.ok("scroll", "POST", base + "/scroll", {"filter": spec, "limit": IDS, "with_vector": True})["points"]
    api.equal(f"{when}: {spec}", ids(got), want)
    for p in got:
        v, payload = model.points.get(p["id"], (None, {}))
        shown = p["vector"] if p["vector"] else None
        if (shown is None) != (v is None) or p["payload"] != payload or (v is not None and any(abs(a - b) > 1e-6 for a, b in zip(shown, v))):
            api.tally.check(f"{when}: point {p['id']}", False, f"{p} is not {(v, payload)}")
    api.equal(f"{when}: counted", api.ok("count", "POST", base + "/count", {"filter": spec, "exact": True})["count"], len(want))
    q = model.vector()
    near = sorted(((math.dist(q, model.points[i][0]), i) for i in want if model.points[i][0] is not None))[:5]
    got = api.ok("search", "POST", base + "/search", {"vector": q, "filter": spec, "limit": 5})
    api.tally.check(f"{when}: nearest", [round(p["score"], 4) for p in got] == [round(d, 4) for d, _ in near], f"{got} is not {near}")


def main():
    print(f"seed {SEED}")
    tally = harness.Tally()
    model = Model(random.Random(SEED))
    with harness.Server(doors=("qdrant",)) as server:
        api = Api(tally, server.ports["qdrant"])
        api.ok("create", "PUT", "/collections/model", {"vectors": {"": {"size": 4, "distance": "Euclid"}}})
        api.ok("text index", "PUT", "/collections/model/index?wait=true", {"field_name": "t", "field_schema": INDEXES["t"]})
        for step in range(STEPS):
            if step == STEPS // 3:
                for field, kind in INDEXES.items():
                    api.ok("index", "PUT", "/collections/model/index?wait=true", {"field_name": field, "field_schema": kind})
            if step == STEPS * 2 // 3:
                server.stop()
                server.start()
                api.port = server.ports["qdrant"]
            change(api, model)
            compare(api, model, f"step {step}")
        counts = {}
        for _, p in model.points.values():
            for city in set(values(p, "city")):
                counts[city] = counts.get(city, 0) + 1
        got = api.ok("facet", "POST", "/collections/model/facet", {"key": "city", "exact": True})["hits"]
        api.equal("facet", [(h["value"], h["count"]) for h in got], sorted(counts.items(), key=lambda x: (-x[1], x[0])))
        tally.check("the server lives", server.alive())
    tally.done()


if __name__ == "__main__":
    main()
