#!/usr/bin/env python3
"""One touch of every door that is open, a crash and a restart. Also run under the address sanitizer."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "tools"))
import harness  # noqa: E402
import pgwire  # noqa: E402

SQL = [
    ("CREATE TABLE s (id serial PRIMARY KEY, name text NOT NULL, n numeric, tags text[], d jsonb, at timestamptz DEFAULT now())", None),
    ("INSERT INTO s (name, n, tags, d) SELECT 'row ' || g, g / 3.0, ARRAY['t' || g % 5], jsonb_build_object('k', g) FROM generate_series(1, 500) g", None),
    ("SELECT count(*), sum(n)::numeric(12, 2), max(name) FROM s", [["500", "41750.00", "row 99"]]),
    ("CREATE INDEX ON s (name)", None),
    ("SELECT id FROM s WHERE name = 'row 77'", [["77"]]),
    ("UPDATE s SET n = n + 1 WHERE id <= 10", None),
    ("DELETE FROM s WHERE id > 490", None),
    ("SELECT tags[1], count(*) FROM s GROUP BY 1 ORDER BY 1 LIMIT 2", [["t0", "98"], ["t1", "98"]]),
    ("SELECT a.id FROM s a JOIN s b ON b.id = a.id + 1 WHERE a.d ->> 'k' = '5'", [["5"]]),
    ("SELECT id, rank() OVER (ORDER BY id DESC) FROM s ORDER BY id DESC LIMIT 1", [["490", "1"]]),
    ("WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 50) SELECT sum(i) FROM r", [["1275"]]),
    ("BEGIN; SAVEPOINT a; DELETE FROM s; ROLLBACK TO a; COMMIT", None),
    ("CREATE VIEW sv AS SELECT id, name FROM s WHERE id < 3", None),
    ("SELECT * FROM sv ORDER BY id", [["1", "row 1"], ["2", "row 2"]]),
    ("ANALYZE s", None),
    ("EXPLAIN SELECT * FROM s WHERE id = 1", "any"),
    ("SELECT count(*) > 200 FROM pg_class", [["t"]]),
]


def sql(tally, connection):
    for text, expected in SQL:
        results = connection.query(text)
        errors = [r.error["M"] for r in results if r.error]
        if not tally.check(text[:60], not errors, errors) or expected in (None, "any"):
            continue
        tally.equal(text[:60], results[-1].rows, expected)
    r = connection.query("SELECT 1/0")[0]
    tally.equal("division by zero", r.error and r.error["C"], "22012")
    deep = connection.query("SELECT " + "(" * 10000 + "1" + ")" * 10000)[0]
    tally.check("ten thousand parentheses", deep.error is not None or deep.rows == [["1"]])
    wide = connection.query("SELECT " + "+".join(["1"] * 1000000))[0]
    tally.check("a million terms", wide.error is not None or wide.rows == [["1000000"]])
    tally.equal("still there", connection.query("SELECT 1")[0].rows, [["1"]])


def redis(tally, port):
    import socket
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"SET smoke 1\r\nINCR smoke\r\nGET smoke\r\n")
        got = b""
        while got.count(b"\r\n") < 4:
            got += s.recv(1000)
        tally.equal("redis SET INCR GET", got, b"+OK\r\n:2\r\n$1\r\n2\r\n")


def http(tally, name, port, path):
    import urllib.request
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as r:
        tally.equal(f"{name} {path}", r.status, 200)


def main():
    tally = harness.Tally()
    with harness.Server() as server:
        if "postgres" in server.ports:
            c = pgwire.Connection(server.ports["postgres"])
            tally.run("sql", sql, tally, c)
            c.close()
        if "redis" in server.ports:
            tally.run("redis", redis, tally, server.ports["redis"])
        if "elasticsearch" in server.ports:
            tally.run("elasticsearch", http, tally, "elasticsearch", server.ports["elasticsearch"], "/")
        if "qdrant" in server.ports:
            tally.run("qdrant", http, tally, "qdrant", server.ports["qdrant"], "/collections")
        tally.check("the server lives", server.alive(), server.output()[-2000:])
        server.kill()
        server.start()
        if "postgres" in server.ports:
            c = pgwire.Connection(server.ports["postgres"])
            tally.equal("rows after a crash", c.query("SELECT count(*), min(id) FROM s")[0].rows, [["490", "1"]])
            c.close()
        tally.equal("clean stop", server.stop(), 0)
        server.start()
        if "postgres" in server.ports:
            c = pgwire.Connection(server.ports["postgres"])
            tally.equal("rows after a clean stop", c.query("SELECT count(*) FROM s")[0].rows, [["490"]])
            c.close()
    tally.done()


if __name__ == "__main__":
    main()
