#!/usr/bin/env python3
"""The Qdrant door through Qdrant's own JavaScript client, and by hand for what the client would not send."""
import json
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402


def call(port, method, path, body=None, headers=None):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            status, text = reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def by_hand(tally, port):
    for path in ("/healthz", "/livez", "/readyz"):
        tally.equal(path, call(port, "GET", path)[0], 200)
    tally.check("metrics", "collections_total" in call(port, "GET", "/metrics")[1])
    tally.equal("telemetry", call(port, "GET", "/telemetry")[0], 200)
    tally.equal("cluster", call(port, "GET", "/cluster")[1]["result"]["status"], "disabled")
    tally.equal("create", call(port, "PUT", "/collections/raw", {"vectors": {"size": 2, "distance": "Cosine"}})[1]["result"], True)
    tally.equal("upsert", call(port, "PUT", "/collections/raw/points?wait=true", {"points": [{"id": i, "vector": [1, i], "payload": {"n": i}} for i in range(1, 6)]})[0], 200)
    points = "/collections/raw/points"
    wrong = [
        ("not JSON", "PUT", points, b"{", 400, "Format error in JSON body"),
        ("NaN", "PUT", points, b'{"points":[{"id":1,"vector":[NaN,1]}]}', 400, "Format error in JSON body"),
        ("out of range", "PUT", points, b'{"points":[{"id":1,"vector":[1e400,1]}]}', 400, ""),
        ("missing points", "PUT", points, {}, 400, "did not match any variant"),
        ("missing id", "PUT", points, {"points": [{"vector": [1, 2]}]}, 400, "missing field `id`"),
        ("id of text", "PUT", points, {"points": [{"id": "abc", "vector": [1, 2]}]}, 400, "is not a valid point ID"),
        ("dimension", "POST", points + "/search", {"vector": [1], "limit": 1}, 400, "expected dim: 2, got 1"),
        ("vector of text", "POST", points + "/search", {"vector": "x", "limit": 1}, 400, ""),
        ("zero limit", "POST", points + "/scroll", {"limit": 0}, 422, "limit: value 0 invalid"),
        ("negative limit", "POST", points + "/search", {"vector": [1, 2], "limit": -1}, 400, "Format error"),
        ("filter of a wrong type", "POST", points + "/count", {"filter": []}, 400, ""),
        ("unknown condition", "POST", points + "/count", {"filter": {"must": [{"key": "n", "match": {"exactly": 1}}]}}, 400, "untagged enum Match"),
        ("unknown clause", "POST", points + "/count", {"filter": {"perhaps": []}}, 400, "unknown field `perhaps`"),
        ("deep filter", "POST", points + "/count", b'{"filter":' + b'{"must":' * 200 + b"{}" + b"}" * 200 + b"}", 400, ""),
        ("unknown strategy", "POST", points + "/recommend", {"positive": [1], "strategy": "guess", "limit": 1}, 400, "unknown variant `guess`"),
        ("missing point", "POST", points + "/recommend", {"positive": [77], "limit": 1}, 404, "No point with id 77 found"),
        ("unknown vector", "POST", points + "/query", {"query": [1, 2], "using": "other"}, 400, "Not existing vector name error: other"),
        ("no collection", "POST", "/collections/none/points/count", {}, 404, "Collection `none` doesn't exist!"),
        ("vector size", "PUT", "/collections/huge", {"vectors": {"size": 0, "distance": "Dot"}}, 422, "size"),
        ("unknown endpoint", "GET", "/nothing", None, 404, ""),
    ]
    for name, method, path, body, status, text in wrong:
        got, reply = call(port, method, path, body)
        error = reply["status"]["error"] if isinstance(reply, dict) and isinstance(reply.get("status"), dict) else ""
        tally.check(name, got == status and text in error, f"{got} {reply}")
    # None of it left a trace, and enormous numbers are only numbers.
    tally.equal("count", call(port, "POST", points + "/count", {})[1]["result"]["count"], 5)
    tally.equal("gigantic limit", len(call(port, "POST", points + "/search", {"vector": [1, 2], "limit": 2 ** 40})[1]["result"]), 5)
    tally.equal("gigantic ef", len(call(port, "POST", points + "/search", {"vector": [1, 2], "limit": 3, "params": {"hnsw_ef": 2 ** 31}})[1]["result"]), 3)


def main():
    tally = harness.Tally()
    with harness.Server(doors=("qdrant",)) as server:
        port = server.ports["qdrant"]
        if (HERE.parent / "clients/node_modules/@qdrant/js-client-rest").exists():
            done = subprocess.run(["node", str(HERE / "client.js"), str(port)], capture_output=True, text=True, timeout=120)
            print(done.stdout, end="")
            m = re.search(r"(\d+) passed, (\d+) failed", done.stdout)
            tally.check("the client ran to its end", m is not None, done.stderr[-2000:])
            if m:
                tally.passed += int(m.group(1))
                tally.failed += int(m.group(2))
        else:
            print("skipped: the npm client is not installed (./dev test does that)")
        by_hand(tally, port)
        tally.check("the server lives", server.alive())
    tally.done()


if __name__ == "__main__":
    main()
