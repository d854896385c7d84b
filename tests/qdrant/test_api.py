#!/usr/bin/env python3
"""Qdrant's API family by family, as its documentation describes replies and refusals: collection updates, payload operations, filters,
scroll orders, facets, groups, recommendation scores, sparse vectors, formulas, matrices, parameters of requests, telemetry."""
import json
import math
import pathlib
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import harness  # noqa: E402
from test_families import Api, ids  # noqa: E402
from test_qdrant import call  # noqa: E402


def near(api, name, got, want):
    api.tally.check(name, len(got) == len(want) and all(abs(a - b) < 1e-5 for a, b in zip(got, want)), f"{got} is not {want}")


def collection_update(api):
    c = "/collections/updated"
    api.ok("create", "PUT", c, {"vectors": {"size": 4, "distance": "Dot"}, "sparse_vectors": {"text": {}}})
    for body in ({"hnsw_config": {"m": 0}}, {"hnsw_config": {"m": 24, "ef_construct": 50}}, {"quantization_config": {"scalar": {"type": "int8"}}},
                 {"quantization_config": "Disabled"}, {}):
        api.ok(f"update {body}", "PATCH", c, body)
    api.ok("update", "PATCH", c, {
        "vectors": {"": {"hnsw_config": {"m": 32, "ef_construct": 123}, "quantization_config": {"scalar": {"type": "int8", "quantile": 0.8}}, "on_disk": True}},
        "sparse_vectors": {"text": {"index": {"full_scan_threshold": 10, "on_disk": False}}},
        "hnsw_config": {"ef_construct": 123, "m": None}, "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}},
        "optimizers_config": {"indexing_threshold": 5000, "max_optimization_threads": 3}, "params": {"replication_factor": 2, "on_disk_payload": False}})
    config = api.ok("info", "GET", c)["config"]
    api.equal("vector diff", config["params"]["vectors"], {"size": 4, "distance": "Dot", "hnsw_config": {"m": 32, "ef_construct": 123},
                                                           "quantization_config": {"scalar": {"type": "int8", "quantile": 0.8}}, "on_disk": True})
    api.equal("sparse diff", config["params"]["sparse_vectors"], {"text": {"index": {"full_scan_threshold": 10, "on_disk": False}}})
    api.equal("hnsw diff", (config["hnsw_config"]["m"], config["hnsw_config"]["ef_construct"]), (24, 123))
    api.equal("optimizers", (config["optimizer_config"]["indexing_threshold"], config["optimizer_config"]["max_optimization_threads"]), (5000, 3))
    api.equal("params", (config["params"]["replication_factor"], config["params"]["on_disk_payload"]), (2, False))
    api.ok("nothing but defaults", "PATCH", c, {"vectors": {"": {"quantization_config": "Disabled"}}, "optimizers_config": {"max_optimization_threads": "auto"}})
    config = api.ok("info", "GET", c)["config"]
    api.equal("disabled", "quantization_config" in config["params"]["vectors"], False)
    api.equal("auto", config["optimizer_config"]["max_optimization_threads"], None)
    for body, status, text in (
            ({"vectors": {"other": {"on_disk": True}}}, 400, "Not existing vector name error: other"),
            ({"sparse_vectors": {"other": {"index": {"on_disk": True}}}}, 400, "Not existing vector name error: other"),
            ({"hnsw_config": {"ef_construct": 1}}, 422, "hnsw_config.ef_construct: value 1 invalid, must be 4 or larger"),
            ({"params": {"replication_factor": 0}}, 422, "params.replication_factor: value 0 invalid, must be 1 or larger"),
            ({"quantization_config": "Off"}, 400, "unknown variant `Off`"),
            ({"optimizers_config": {"deleted_threshold": "x"}}, 400, "Format error in JSON body")):
        api.no(f"update {body}", status, text, "PATCH", c, body)
    api.no("update of nothing", 404, "Collection `nowhere` doesn't exist!", "PATCH", "/collections/nowhere", {})
    # What changes is what searches run on.
    api.ok("graph", "PUT", "/collections/graph", {"vectors": {"size": 2, "distance": "Euclid"}, "hnsw_config": {"m": 0}})
    points = [{"id": i, "vector": [math.cos(i / 350), i / 1000]} for i in range(2200)]
    api.ok("points", "PUT", "/collections/graph/points?wait=true", {"points": points})
    api.equal("m 0: no graph", api.ok("info", "GET", "/collections/graph")["indexed_vectors_count"], 0)
    api.equal("m 0: searched", ids(api.ok("search", "POST", "/collections/graph/points/search", {"vector": [1, 0.0101], "limit": 2})), [10, 11])
    api.ok("m 8", "PATCH", "/collections/graph", {"hnsw_config": {"m": 8}})
    deadline = time.monotonic() + 60
    info = {"indexed_vectors_count": 0}
    while info["indexed_vectors_count"] < 2200 and time.monotonic() < deadline:
        info = api.ok("info", "GET", "/collections/graph")
        time.sleep(0.02)
    api.equal("m 8: linked", info["indexed_vectors_count"], 2200)
    api.equal("m 8: searched", ids(api.ok("search", "POST", "/collections/graph/points/search", {"vector": [1, 0.0101], "limit": 2})), [10, 11])


def names(api):
    for name, text in (("with%2Fslash", "must not contain"), ("a" * 256, "characters"), ("a%3Cb", "must not contain")):
        api.no(f"name {name[:10]}", 422, text, "PUT", f"/collections/{name}", {"vectors": {"size": 1, "distance": "Dot"}})
    c = {"vectors": {"size": 1, "distance": "Dot"}}
    api.ok("create", "PUT", "/collections/one", c)
    api.ok("create", "PUT", "/collections/two", c)

    def actions(*list_):
        return {"actions": list(list_)}
    make = {"create_alias": {"collection_name": "one", "alias_name": "first"}}
    api.equal("alias", api.ok("alias", "POST", "/collections/aliases", actions(make)), True)
    api.no("alias of nothing", 404, "Collection `none` doesn't exist!", "POST", "/collections/aliases", actions({"create_alias": {"collection_name": "none", "alias_name": "x"}}))
    api.no("alias like a collection", 409, "Collection `two` already exists!", "POST", "/collections/aliases", actions({"create_alias": {"collection_name": "one", "alias_name": "two"}}))
    api.no("collection like an alias", 400, "Alias with the same name already exists", "PUT", "/collections/first", c)
    api.no("rename of nothing", 404, "Alias none does not exists!", "POST", "/collections/aliases", actions({"rename_alias": {"old_alias_name": "none", "new_alias_name": "x"}}))
    api.equal("an alias is not dropped as a collection", api.ok("drop", "DELETE", "/collections/first"), False)
    api.equal("read through it", api.ok("count", "POST", "/collections/first/points/count", {})["count"], 0)
    # A switch in one commit.
    api.ok("switch", "POST", "/collections/aliases", actions({"delete_alias": {"alias_name": "first"}}, {"create_alias": {"collection_name": "two", "alias_name": "first"}}))
    api.equal("switched", api.ok("aliases", "GET", "/collections/two/aliases"), {"aliases": [{"alias_name": "first", "collection_name": "two"}]})
    api.equal("others have none", api.ok("aliases", "GET", "/collections/one/aliases"), {"aliases": []})
    api.ok("drop", "DELETE", "/collections/two")
    api.equal("went with it", api.ok("aliases", "GET", "/aliases"), {"aliases": []})
    api.equal("drop twice", api.ok("drop", "DELETE", "/collections/two"), False)


def payloads(api):
    points = "/collections/payloads/points"
    api.ok("create", "PUT", "/collections/payloads", {"vectors": {"size": 2, "distance": "Dot"}})
    api.ok("upsert", "PUT", points + "?wait=true", {"points": [{"id": i, "vector": [1, i], "payload": {"n": i}} for i in range(1, 7)]})

    def payload(point=1):
        return api.ok("get", "GET", f"{points}/{point}")["payload"]

    def do(method, path, body):
        return api.ok(f"{path} {body}", method, f"{points}/{path}?wait=true", body)
    do("POST", "payload", {"payload": {"a": {"b": [{"c": 1}, {"c": 2}]}, "gone": 1}, "points": [1]})
    do("POST", "payload", {"payload": {"gone": None, "kept": [None]}, "points": [1]})
    api.equal("null takes away", payload(), {"n": 1, "a": {"b": [{"c": 1}, {"c": 2}]}, "kept": [None]})
    do("POST", "payload", {"payload": {"d": 3}, "key": "a.b[1]", "points": [1]})
    do("POST", "payload", {"payload": {"e": 4}, "key": "a.b[]", "points": [1]})
    do("POST", "payload", {"payload": {"x": 1}, "key": "new.deep", "points": [1]})
    api.equal("keys", payload(), {"n": 1, "a": {"b": [{"c": 1, "e": 4}, {"c": 2, "d": 3, "e": 4}]}, "kept": [None], "new": {"deep": {"x": 1}}})
    do("POST", "payload/delete", {"keys": ["a.b[].c", "a.b[0].e", "new.deep.x", "none"], "points": [1]})
    api.equal("paths deleted", payload(), {"n": 1, "a": {"b": [{}, {"d": 3, "e": 4}]}, "kept": [None], "new": {"deep": {}}})
    do("PUT", "payload", {"payload": {"only": 1}, "filter": {"must": [{"key": "n", "range": {"gte": 5}}]}})
    api.equal("overwritten by filter", [payload(5), payload(6)], [{"only": 1}, {"only": 1}])
    do("POST", "payload/clear", {"filter": {"must": [{"key": "only", "match": {"value": 1}}]}})
    api.equal("cleared by filter", [payload(5), payload(6)], [{}, {}])
    for method, path, body in (("POST", "payload", {"payload": {"x": 1}}), ("PUT", "payload", {"payload": {"x": 1}}),
                               ("POST", "payload/delete", {"keys": ["x"]}), ("POST", "payload/clear", {})):
        api.no(f"{path} of no point", 404, "No point with id 99 found", method, f"{points}/{path}?wait=true", {**body, "points": [99]})
        api.no(f"{path} without a selector", 400, "Format error in JSON body", method, f"{points}/{path}?wait=true", body)
    api.no("vectors of no point", 404, "No point with id 99 found", "PUT", points + "/vectors?wait=true", {"points": [{"id": 99, "vector": [1, 1]}]})
    api.no("a bad path", 400, "", "POST", points + "/payload?wait=true", {"payload": {"x": 1}, "key": "a[", "points": [1]})
    # Shapes of answers.
    shapes = [(True, {"n": 2, "o": {"p": 1, "q": 2}}), (False, None), (["o.p"], {"o": {"p": 1}}), ({"include": ["n"]}, {"n": 2}), ({"exclude": ["o.q", "n"]}, {"o": {"p": 1}})]
    do("POST", "payload", {"payload": {"o": {"p": 1, "q": 2}}, "points": [2]})
    for with_payload, want in shapes:
        got = api.ok("retrieve", "POST", points, {"ids": [2], "with_payload": with_payload})[0]
        api.equal(f"with_payload {with_payload}", got.get("payload"), want)
        got = api.ok("search", "POST", points + "/search", {"vector": [0, 1], "limit": 1, "with_payload": with_payload, "filter": {"must": [{"has_id": [2]}]}})[0]
        api.equal(f"search with_payload {with_payload}", got.get("payload"), want)
    api.no("with_vector of no name", 400, "Not existing vector name error: v", "POST", points, {"ids": [2], "with_vector": ["v"]})
    # Conditional updates.
    api.ok("update_filter", "PUT", points + "?wait=true", {"points": [{"id": i, "vector": [1, 1], "payload": {"n": -i}} for i in (1, 2, 50)],
                                                          "update_filter": {"must": [{"key": "n", "match": {"value": 2}}]}})
    api.equal("update_filter", [payload(1).get("n"), payload(2).get("n"), payload(50).get("n")], [1, -2, -50])
    done = api.ok("batch", "POST", points + "/batch?wait=true", {"operations": [
        {"upsert": {"batch": {"ids": [70, 71], "vectors": [[1, 0], [0, 1]], "payloads": [{"z": 1}, None]}}}, {"overwrite_payload": {"payload": {"z": 2}, "points": [70]}},
        {"clear_payload": {"points": [71]}}, {"update_vectors": {"points": [{"id": 71, "vector": [3, 4]}]}}, {"delete_payload": {"keys": ["z"], "points": [70]}},
        {"delete": {"filter": {"must": [{"has_id": [70]}]}}}]})
    api.equal("batch statuses", {d["status"] for d in done}, {"completed"})
    api.equal("batch result", [p["vector"] for p in api.ok("retrieve", "POST", points, {"ids": [70, 71], "with_vector": True})], [[3, 4]])
    api.equal("not waited for", api.ok("upsert", "PUT", points, {"points": [{"id": 72, "vector": [1, 1]}]})["status"], "acknowledged")


FILTERED = [
    {"id": 1, "city": "Berlin", "n": 1, "f": 1.5, "ok": True, "at": "2024-01-01T10:00:00Z", "tags": ["a", "b"], "nested": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]},
    {"id": 2, "city": ["London", "Berlin"], "n": [2, 20], "f": -1, "ok": False, "at": "2024-06-01", "tags": [], "nested": [{"k": "x", "v": 2}]},
    {"id": 3, "city": "Moscow", "n": 3, "tags": None, "nested": {"k": "x", "v": 2}},
    {"id": 4, "n": 2.0, "f": 4, "tags": ["a", None], "at": ["2023-01-01 00:00:00", "2025-01-01T00:00:00+02:00"]},
    {"id": 5, "city": 7, "ok": True, "sub": {"list": [{"n": 5}, {"n": 6}]}},
]
FILTERS = [
    ({"must": [{"key": "city", "match": {"value": "Berlin"}}]}, [1, 2]),
    ({"must": {"key": "city", "match": {"value": "Berlin"}}}, [1, 2]),
    ({"must_not": [{"key": "city", "match": {"value": "Berlin"}}]}, [3, 4, 5]),
    ({"should": [{"key": "city", "match": {"value": "Moscow"}}, {"key": "n", "match": {"value": 20}}]}, [2, 3]),
    ({"must": [{"key": "city", "match": {"any": ["Moscow", "London"]}}]}, [2, 3]),
    ({"must": [{"key": "city", "match": {"any": []}}]}, []),
    ({"must": [{"key": "city", "match": {"except": ["Berlin", "Moscow"]}}]}, [2, 5]),
    ({"must": [{"key": "n", "match": {"except": [1, 2, 20]}}]}, [3, 4]),
    ({"must": [{"key": "ok", "match": {"value": True}}]}, [1, 5]),
    ({"must": [{"key": "n", "range": {"gte": 2, "lt": 3}}]}, [2, 4]),
    ({"must": [{"key": "f", "range": {"gt": -1, "lte": 1.5}}]}, [1]),
    ({"must": [{"key": "at", "range": {"gte": "2024-01-01T12:00:00+02:00", "lt": "2024-12-31T00:00:00Z"}}]}, [1, 2]),
    ({"must": [{"key": "at", "range": {"gt": "2024-12-31T21:00:00Z"}}]}, [4]),
    ({"must": [{"key": "tags", "values_count": {"gte": 1}}]}, [1, 4]),
    ({"must": [{"key": "tags", "values_count": {"lt": 1}}]}, [2, 3, 5]),
    ({"must": [{"is_empty": {"key": "tags"}}]}, [2, 3, 5]),
    ({"must": [{"is_null": {"key": "tags"}}]}, [3, 4]),
    ({"must": [{"key": "tags", "is_empty": False}]}, [1, 4]),
    ({"must": [{"key": "tags", "is_null": True}]}, [3, 4]),
    ({"must": [{"key": "nested[].k", "match": {"value": "x"}}, {"key": "nested[].v", "match": {"value": 2}}]}, [1, 2]),
    ({"must": [{"nested": {"key": "nested", "filter": {"must": [{"key": "k", "match": {"value": "x"}}, {"key": "v", "match": {"value": 2}}]}}}]}, [2]),
    ({"must": [{"nested": {"key": "nested[]", "filter": {"must_not": [{"key": "k", "match": {"value": "x"}}]}}}]}, [1]),
    ({"must": [{"key": "sub.list[].n", "match": {"value": 6}}]}, [5]),
    ({"must": [{"key": "sub.list[0].n", "match": {"value": 6}}]}, []),
    ({"must": [{"has_id": [2, 4, 77]}]}, [2, 4]),
    ({"must_not": [{"has_id": [2, 4, 77]}]}, [1, 3, 5]),
    ({"must": [{"has_vector": ""}]}, [1, 2, 3, 4]),
    ({"min_should": {"conditions": [{"key": "ok", "match": {"value": True}}, {"key": "f", "range": {"gt": 0}}, {"key": "n", "range": {"gt": 0}}], "min_count": 2}}, [1, 4]),
    ({"must": [{"should": [{"key": "n", "match": {"value": 1}}, {"key": "n", "match": {"value": 3}}]}, {"must_not": [{"key": "city", "match": {"value": "Moscow"}}]}]}, [1]),
    ({"should": None, "must": None}, [1, 2, 3, 4, 5]),
    ({}, [1, 2, 3, 4, 5]),
]


def filters(api):
    points = "/collections/filters/points"
    api.ok("create", "PUT", "/collections/filters", {"vectors": {"": {"size": 2, "distance": "Dot"}}})
    api.ok("upsert", "PUT", points + "?wait=true", {"points": [
        {"id": p["id"], "vector": {} if p["id"] == 5 else [1, p["id"]], "payload": {k: v for k, v in p.items() if k != "id"}} for p in FILTERED]})
    for indexed in (False, True):
        if indexed:
            for field, kind in (("city", "keyword"), ("n", "integer"), ("f", "float"), ("ok", "bool"), ("at", "datetime"), ("tags", "keyword"), ("nested[].k", "keyword"),
                                ("sub.list[].n", {"type": "integer", "lookup": True, "range": False})):
                api.ok("index", "PUT", "/collections/filters/index?wait=true", {"field_name": field, "field_schema": kind})
        for f, want in FILTERS:
            api.equal(f"{f} (indexes: {indexed})", ids(api.ok("scroll", "POST", points + "/scroll", {"filter": f})["points"]), want)
            api.equal(f"{f} counted", api.ok("count", "POST", points + "/count", {"filter": f, "exact": True})["count"], len(want))
    schema = api.ok("info", "GET", "/collections/filters")["payload_schema"]
    api.equal("points of indexes", {k: v["points"] for k, v in schema.items()},
              {"city": 3, "n": 3, "f": 3, "ok": 3, "at": 3, "tags": 2, "nested[].k": 2, "sub.list[].n": 1})
    for schema, status, text in (("words", 400, "PayloadFieldSchema"), ({"type": "integer", "lookup": "yes"}, 400, "PayloadFieldSchema"),
                                 ({"type": "integer", "lookup": False, "range": False}, 422, "can't be both disabled"), (None, 400, "")):
        api.no(f"index {schema}", status, text, "PUT", "/collections/filters/index", {"field_name": "x", "field_schema": schema})
    for f in ({"must": [{"key": "a"}]}, {"must": [{"key": "a", "match": {"any": [1, "x"]}}]}, {"must": [{"key": "a", "match": {"value": None}}]}, {"must": [{"key": "a", "range": {"from": 1}}]}, {"must": [{"key": "a", "geo_radius": {"center": {"lon": 200, "lat": 0}, "radius": 1}}]},
              {"must": [{"key": "a", "geo_polygon": {"exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 1, "lat": 1}, {"lon": 0, "lat": 1}, {"lon": 0.5, "lat": 0}]}}}]},
              {"must": [{"has_id": ["x"]}]}, {"must": [{"key": "at", "range": {"gt": "tomorrow"}}]}, {"must": [{"nested": {"key": "a"}}]}, {"must": 1}):
        status, reply = call(api.port, "POST", points + "/scroll", {"filter": f})
        api.tally.check(f"refused: {f}", status in (400, 422) and isinstance(reply["status"]["error"], str), f"{status} {reply}")


def orders(api):
    points = "/collections/orders/points"
    api.ok("create", "PUT", "/collections/orders", {"vectors": {"size": 2, "distance": "Dot"}})
    api.ok("upsert", "PUT", points + "?wait=true", {"points": [
        {"id": i, "vector": [1, i], "payload": {"n": [i % 3, i % 3 + 10] if i == 2 else i % 3, "at": f"2024-01-{10 + i}T00:00:00Z", "g": f"g{i % 2}", "b": i < 2}} for i in range(6)]})

    def scroll(order, **more):
        return api.ok(f"order {order}", "POST", points + "/scroll", {"order_by": order, **more})
    api.no("no index", 400, "No range index for `order_by` key: `n`. Please create one to use `order_by`.", "POST", points + "/scroll", {"order_by": "n"})
    for field, kind in (("n", "integer"), ("at", "datetime"), ("g", "keyword"), ("b", "bool")):
        api.ok("index", "PUT", "/collections/orders/index?wait=true", {"field_name": field, "field_schema": kind})
    got = scroll("n")
    api.equal("ascending", [(p["id"], p["order_value"]) for p in got["points"]], [(0, 0), (3, 0), (1, 1), (4, 1), (2, 2), (5, 2), (2, 12)])
    api.equal("no next page", got["next_page_offset"], None)
    api.equal("descending", ids(scroll({"key": "n", "direction": "desc"}, limit=3)["points"]), [2, 5, 2])
    api.equal("from", ids(scroll({"key": "n", "start_from": 2})["points"]), [2, 5, 2])
    got = scroll({"key": "at", "direction": "desc", "start_from": "2024-01-12T00:00:00Z"}, with_payload=False)["points"]
    api.equal("dates", [(p["id"], p["order_value"]) for p in got], [(2, 1705017600000000), (1, 1704931200000000), (0, 1704844800000000)])
    api.tally.check("dates are integers", all(isinstance(p["order_value"], int) for p in got), got)
    api.equal("filtered", ids(scroll("n", filter={"must": [{"key": "g", "match": {"value": "g1"}}]})["points"]), [3, 1, 5])
    api.no("offset and order", 400, "offset", "POST", points + "/scroll", {"order_by": "n", "offset": 1})
    api.no("keyword", 400, "No range index", "POST", points + "/scroll", {"order_by": "g"})
    pages, offset = [], None
    while True:
        page = api.ok("page", "POST", points + "/scroll", {"limit": 4, "offset": offset})
        pages += ids(page["points"])
        offset = page["next_page_offset"]
        if offset is None:
            break
    api.equal("pages", pages, list(range(6)))

    def facet(key, **more):
        return [(h["value"], h["count"]) for h in api.ok(f"facet {key}", "POST", "/collections/orders/facet", {"key": key, **more})["hits"]]
    api.equal("facet of words", facet("g"), [("g0", 3), ("g1", 3)])
    api.equal("facet of numbers", facet("n"), [(0, 2), (1, 2), (2, 2), (12, 1)])
    api.equal("facet of truth", facet("b", exact=True), [(False, 4), (True, 2)])
    api.equal("facet, filtered, limited", facet("n", limit=1, filter={"must_not": [{"key": "n", "match": {"value": 0}}]}), [(1, 2)])
    api.no("facet without an index", 400, "No appropriate index for faceting: `other`", "POST", "/collections/orders/facet", {"key": "other"})
    api.no("facet of dates", 400, "No appropriate index for faceting: `at`", "POST", "/collections/orders/facet", {"key": "at"})
    api.no("facet of none", 422, "limit: value 0 invalid", "POST", "/collections/orders/facet", {"key": "g", "limit": 0})
    # Groups, with what another collection knows of them.
    api.ok("lookup", "PUT", "/collections/groups", {"vectors": {"size": 1, "distance": "Dot"}})
    api.ok("lookup", "PUT", "/collections/groups/points?wait=true", {"points": [{"id": 1, "vector": [1], "payload": {"name": "one", "more": 1}}]})
    got = api.ok("groups", "POST", points + "/search/groups", {"vector": [0, 1], "group_by": "n", "limit": 3, "group_size": 1, "with_payload": False,
                                                               "with_lookup": {"collection": "groups", "with_payload": ["name"], "with_vectors": True}})["groups"]
    api.equal("groups", [(g["id"], ids(g["hits"])) for g in got], [(2, [5]), (1, [4]), (0, [3])])
    api.equal("lookup", got[1]["lookup"], {"id": 1, "payload": {"name": "one"}, "vector": [1]})
    api.equal("lookup of nothing", got[0].get("lookup"), None)
    api.no("groups without a size", 422, "group_size", "POST", points + "/query/groups", {"query": [0, 1], "group_by": "n", "group_size": 0})
    api.no("lookup nowhere", 404, "Collection `none`", "POST", points + "/query/groups", {"query": [0, 1], "group_by": "n", "with_lookup": "none"})


def scores(api):
    points = "/collections/scores/points"
    api.ok("create", "PUT", "/collections/scores", {"vectors": {"dot": {"size": 2, "distance": "Dot"}, "euclid": {"size": 2, "distance": "Euclid"}, "taxi": {"size": 2, "distance": "Manhattan"}},
                                                   "sparse_vectors": {"s": {}, "idf": {"modifier": "idf"}}})
    at = {1: [1, 0], 2: [0, 2], 3: [2, 2], 4: [-1, 0]}
    big = 4294967290
    sparse = {1: {"indices": [1, big], "values": [1, 2]}, 2: {"indices": [big], "values": [1]}, 3: {"indices": [1, 7], "values": [0.5, 0.5]}}
    api.ok("upsert", "PUT", points + "?wait=true", {"points": [
        {"id": i, "vector": {"dot": v, "euclid": v, "taxi": v, **({"s": sparse[i], "idf": sparse[i]} if i in sparse else {})}} for i, v in at.items()]})

    def query(q, using="dot", **more):
        return [(p["id"], p["score"]) for p in api.ok(f"query {q}", "POST", points + "/query", {"query": q, "using": using, **more})["points"]]

    def check(name, got, want):
        api.equal(name, [i for i, _ in got], [i for i, _ in want])
        near(api, name + ": scores", [s for _, s in got], [s for _, s in want])
    unit = lambda x: (x / (1 + abs(x)) + 1) / 2  # noqa: E731
    loss = lambda x: x / (1 + abs(x))  # noqa: E731
    check("euclid", query([0, 0], "euclid"), [(1, 1), (4, 1), (2, 2), (3, math.sqrt(8))])
    check("euclid threshold", query([0, 0], "euclid", score_threshold=1.5), [(1, 1), (4, 1)])
    check("taxi", query([0, 0], "taxi", limit=3), [(1, 1), (4, 1), (2, 2)])
    check("dot threshold", query([1, 1], score_threshold=1.5), [(3, 4), (2, 2)])
    check("best score", query({"recommend": {"positive": [[1, 0]], "negative": [[0, 1]], "strategy": "best_score"}}), [(1, unit(1)), (4, -unit(0)), (2, -unit(2)), (3, -unit(2))])
    check("only negative", query({"recommend": {"negative": [[0, 1]], "strategy": "best_score"}}, limit=2), [(1, -unit(0)), (4, -unit(0))])
    check("sum of scores, euclid", query({"recommend": {"positive": [[0, 0], [1, 0]], "strategy": "sum_scores"}}, "euclid"), [(1, -1), (4, -5), (2, -9), (3, -13)])
    check("average", query({"recommend": {"positive": [1, 2], "negative": [4]}}), [(3, 8)])
    check("context", query({"context": [{"positive": [1, 0], "negative": [0, 1]}]}), [(1, 0), (3, loss(-1.2e-7)), (4, loss(-1)), (2, loss(-2))])
    check("discover", query({"discover": {"target": [1, 1], "context": [{"positive": [1, 0], "negative": [0, 1]}]}}), [(1, 1 + unit(1)), (3, unit(4)), (2, -1 + unit(2)), (4, -1 + unit(-1))])
    api.no("no example", 400, "At least one positive vector ID required", "POST", points + "/recommend", {"positive": [], "limit": 1, "using": "dot"})
    api.no("nothing to discover", 400, "target and/or context must be specified", "POST", points + "/discover", {"limit": 1, "using": "dot"})
    api.no("limit is needed", 400, "missing field `limit`", "POST", points + "/search", {"vector": {"name": "dot", "vector": [1, 1]}})
    # Sparse ones: any 32-bit index; rare ones weigh more.
    check("sparse", query({"indices": [big, 1], "values": [1, 1]}, "s"), [(1, 3), (2, 1), (3, 0.5)])
    idf = lambda df: math.log((3 - df + 0.5) / (df + 0.5) + 1)  # noqa: E731
    check("idf", query({"indices": [7, big], "values": [1, 1]}, "idf"), [(1, 2 * idf(2)), (3, 0.5 * idf(1)), (2, idf(2))] if idf(2) < 0.5 * idf(1) < 2 * idf(2) else [(1, 2 * idf(2)), (2, idf(2)), (3, 0.5 * idf(1))])
    api.equal("sparse kept", api.ok("get", "GET", points + "/1")["vector"]["s"], sparse[1])
    check("sparse by id", query(2, "s"), [(1, 2)])
    check("sparse, filtered", query({"indices": [1], "values": [1]}, "s", filter={"must": [{"has_id": [3, 4]}]}), [(3, 0.5)])
    for wrong, text in (({"indices": [1, 1], "values": [1, 2]}, "must be unique"), ({"indices": [1], "values": [1, 2]}, "same length")):
        api.no(f"sparse {wrong}", 422, text, "PUT", points, {"points": [{"id": 9, "vector": {"s": wrong}}]})
    pairs = api.ok("matrix", "POST", points + "/search/matrix/pairs", {"sample": 10, "limit": 1, "using": "euclid", "filter": {"must_not": [{"has_id": [4]}]}})["pairs"]
    api.equal("matrix", [(p["a"], p["b"], round(p["score"], 4)) for p in pairs], [(1, 2, 2.2361), (2, 3, 2.0), (3, 2, 2.0)])
    matrix = api.ok("matrix", "POST", points + "/search/matrix/offsets", {"sample": 10, "limit": 2, "using": "s"})
    api.equal("sparse matrix", matrix, {"ids": [1, 2, 3], "offsets_row": [0, 0, 1, 1, 2, 2], "offsets_col": [1, 2, 0, 2, 0, 1], "scores": [2, 0.5, 2, 0, 0.5, 0]})
    api.no("sample", 422, "sample: value", "POST", points + "/search/matrix/pairs", {"sample": 1, "using": "s"})
    # Prefetches, fusions and formulas.
    two = [{"query": [1, 0], "using": "dot", "limit": 2}, {"query": [0, 1], "using": "dot", "limit": 2}]
    check("rrf", query({"fusion": "rrf"}, prefetch=two), [(3, 1 / 2 + 1 / 3), (2, 1 / 2), (1, 1 / 3)])
    check("rrf, k and weights", query({"rrf": {"k": 1, "weights": [3, 1]}}, prefetch=two, limit=2), [(3, 3.5), (1, 1.5)])
    check("dbsf", query({"fusion": "dbsf"}, prefetch=two[:1]), [(3, 0.5 + 0.5 / (6 * math.sqrt(0.5))), (1, 0.5 - 0.5 / (6 * math.sqrt(0.5)))])
    check("formula", query({"formula": {"sum": [{"mult": [2, "$score"]}, {"abs": {"neg": 0.5}}, {"has_id": [1]}]}}, prefetch=two[0]), [(3, 4.5), (1, 3.5)])
    check("two prefetches", query({"formula": {"sum": ["$score[0]", {"mult": [10, "$score[1]"]}]}, "defaults": {"$score[1]": 0.1}}, prefetch=two), [(3, 22), (2, 20), (1, 2)])
    check("decay", query({"formula": {"exp_decay": {"x": "$score", "target": 2, "scale": 1, "midpoint": 0.5}}}, prefetch=two[0]), [(3, 1), (1, 0.5)])
    api.no("a missing value", 400, "Expected number value for n", "POST", points + "/query", {"query": {"formula": "n"}, "prefetch": two[0]})
    check("a default", query({"formula": "n", "defaults": {"n": 3}}, prefetch=two[0]), [(3, 3), (1, 3)])
    api.equal("lookup_from", ids(api.ok("lookup_from", "POST", points + "/recommend", {
        "positive": [1], "limit": 1, "using": "dot", "lookup_from": {"collection": "orders"}})), [3])
    api.no("no such point there", 404, "No point with id 77 found", "POST", points + "/query", {"query": 77, "using": "dot"})
    batch = api.ok("batch", "POST", points + "/query/batch", {"searches": [{"query": [1, 0], "using": "dot", "limit": 1, "with_vector": ["dot"]}, {"filter": {"must": [{"has_id": [4]}]}}]})
    api.equal("query batch", [ids(b["points"]) for b in batch], [[3], [4]])
    api.equal("named vector shown", batch[0]["points"][0]["vector"], {"dot": [2, 2]})


def requests(api):
    for query, status, text in (("timeout=0", 422, "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]"), ("timeout=x", 400, "query parameters"),
                                ("ordering=odd", 400, "unknown variant `odd`"), ("consistency=odd", 400, "unknown variant `odd`"), ("wait=maybe", 400, "`true` or `false`")):
        api.no(query, status, text, "PUT", f"/collections/orders/points?{query}", {"points": [{"id": 1, "vector": [1, 1]}]})
    for query in ("timeout=5", "ordering=strong&wait=true", "consistency=majority", "consistency=2"):
        api.ok(query, "POST", f"/collections/orders/points/count?{query}", {})
    request = urllib.request.Request(f"http://127.0.0.1:{api.port}/collections", method="OPTIONS", headers={"Origin": "http://page", "Access-Control-Request-Method": "PUT"})
    with urllib.request.urlopen(request) as reply:
        api.equal("cross-origin", (reply.headers["Access-Control-Allow-Origin"], "PUT" in reply.headers["Access-Control-Allow-Methods"]), ("*", True))
    for level, key in ((0, None), (1, "params"), (3, "shards")):
        telemetry = api.ok("telemetry", "GET", f"/telemetry?details_level={level}")
        listed = telemetry["collections"].get("collections")
        api.tally.check(f"telemetry {level}", listed is None if key is None else all(key in c for c in listed), json.dumps(listed)[:300])
    counted = telemetry["requests"]["rest"]["responses"]["POST /collections/{name}/points/count"]["200"]
    api.tally.check("requests are counted", counted["count"] >= 4 and counted["avg_duration_micros"] > 0, counted)
    _, text = call(api.port, "GET", "/metrics")
    api.tally.check("requests in metrics", 'rest_responses_total{method="POST",endpoint="/collections/{name}/points/count",status="200"}' in text, text[-800:])
    for body in (b"", b"[]", b"1", b'"x"'):
        status, reply = call(api.port, "PUT", "/collections/orders/points", body or None)
        api.tally.check(f"body {body}", status == 400 and "error" in reply["status"], f"{status} {reply}")


def main():
    tally = harness.Tally()
    with harness.Server(doors=("qdrant",)) as server:
        api = Api(tally, server.ports["qdrant"])
        for family in (collection_update, names, payloads, filters, orders, scores, requests):
            family(api)
        tally.check("the server lives", server.alive())
    tally.done()


if __name__ == "__main__":
    main()
