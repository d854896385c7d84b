#!/usr/bin/env python3
"""How long does a writer into a searchable table ever wait? One SQL writer and one HTTP writer at full speed while segments
are flushed and merged behind them; beside them a probe that does nothing but write and sync a file on the same disk.
bench/search/stall.py [--seconds 300] [--server BINARY]

Done when the longest wait of a writer is no more than 200 ms above the disk's own longest sync."""
import argparse
import http.client
import json
import os
import pathlib
import random
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import harness  # noqa: E402

WORDS = [f"w{int(random.Random(i).paretovariate(0.7)) % 50000}" for i in range(20000)]


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--server", default=harness.SERVER)
    o = parser.parse_args()
    harness.SERVER = o.server
    waits = {"sql": [], "http": [], "sync": []}
    worst = []  # (seconds waited, at which second, what)
    with harness.Server("--search-tail-kb", "8192", doors=("postgres", "elasticsearch")) as server:
        connection = server.connect()
        connection.autocommit = True
        connection.cursor().execute("create table notes (id int primary key, body text); create index on notes using search (body)")
        start = time.monotonic()
        end = start + o.seconds

        def waited(kind, what, since):
            now = time.monotonic()
            waits[kind].append(now - since)
            if now - since > 0.05:
                worst.append((now - since, since - start, what))

        def sql():
            rng, cursor, n = random.Random(1), connection.cursor(), 0
            while time.monotonic() < end:
                rows = [(n + i, " ".join(rng.choices(WORDS, k=40))) for i in range(20)]
                n += 20
                t = time.monotonic()
                cursor.execute("insert into notes values " + ",".join(["(%s,%s)"] * 20), [x for r in rows for x in r])
                waited("sql", "insert", t)
                if n % 200 == 0:  # old rows change, too
                    t = time.monotonic()
                    at = rng.randrange(n)
                    cursor.execute("update notes set body = %s where id between %s and %s", (rows[0][1], at, at + 5))
                    waited("sql", "update", t)

        def web():
            rng, c = random.Random(2), http.client.HTTPConnection("127.0.0.1", server.ports["elasticsearch"])
            while time.monotonic() < end:
                body = "".join('{"index":{"_index":"pages"}}\n' + json.dumps({"body": " ".join(rng.choices(WORDS, k=40))}) + "\n" for _ in range(20))
                t = time.monotonic()
                c.request("POST", "/_bulk", body, {"Content-Type": "application/json"})
                reply = json.loads(c.getresponse().read())
                waited("http", "bulk", t)
                assert not reply["errors"], reply

        def probe():
            fd = os.open(server.data / "probe", os.O_CREAT | os.O_WRONLY)
            block = os.urandom(65536)
            while time.monotonic() < end:
                os.pwrite(fd, block, random.randrange(64) * 65536)
                t = time.monotonic()
                os.fdatasync(fd)
                waited("sync", "the probe's sync", t)
                time.sleep(0.005)
            os.close(fd)

        threads = [threading.Thread(target=f) for f in (sql, web, probe)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        files = len(list((server.data / "db/segments").glob("*/*.seg")))
        connection.close()
    for name, what in (("sql", "SQL commit"), ("http", "bulk request"), ("sync", "the disk's own sync")):
        v = waits[name]
        print(f"{what:<20} {len(v):>8} times   median {1000 * percentile(v, .5):8.1f} ms   99.9% {1000 * percentile(v, .999):8.1f} ms   longest {1000 * max(v):8.1f} ms")
    for seconds, at, what in sorted(worst, reverse=True)[:8]:
        print(f"  {1000 * seconds:8.1f} ms at second {at:6.1f}: {what}")
    above = 1000 * (max(waits["sql"] + waits["http"]) - max(waits["sync"]))
    print(f"longest wait above the disk's longest sync: {above:.1f} ms ({'within' if above <= 200 else 'ABOVE'} 200 ms); {files} segment files at the end")
    return 0 if above <= 200 else 1


sys.exit(main())
