#!/usr/bin/env python3
"""Malformed, truncated, oversized and random protocol input, and SQL of absurd size: only the sender suffers."""
import os
import pathlib
import random
import select
import socket
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import harness  # noqa: E402
import pgwire  # noqa: E402


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def logged_in(port):
    return pgwire.Connection(port, timeout=60)


def random_bytes(server, rng):
    for i in range(150):
        with socket.create_connection(("127.0.0.1", server.ports["postgres"]), timeout=5) as s:
            s.sendall(rng.randbytes(rng.randint(0, 300)))
    for i in range(150):
        c = logged_in(server.ports["postgres"])
        try:
            c.socket.sendall(rng.randbytes(rng.randint(1, 300)))
        except OSError:
            pass
        c.socket.close()


def broken_messages(server, rng):
    """Well-framed messages with random bodies; the connection must answer Sync with ReadyForQuery or close."""
    for i in range(200):
        c = logged_in(server.ports["postgres"])
        kinds = b"QPBDECHSdcf"
        parts = b""
        for _ in range(rng.randint(1, 6)):
            kind = bytes([rng.choice(kinds)])
            body = rng.choice([rng.randbytes(rng.randint(0, 40)), b"\0", b"\0\0\0\0\0\0", b"SELECT 1\0", b"\0SELECT $1::int\0\0\0",
                               b"\0\0\0\1\0\1\0\1\0\0\0\4\0\0\0\7\0\0", b"S\0", b"P\0", b"\0\0\0\0\0"])
            parts += message(kind, body)
        try:
            c.socket.sendall(parts + message(b"S"))
            c.socket.settimeout(10)
            while c.message()[0] != b"Z":
                pass
        except (pgwire.WireError, OSError) as e:
            assert "timed out" not in str(e), f"no answer to {parts!r}"
        c.socket.close()


def truncated(server, rng):
    whole = message(b"P", b"s\0SELECT $1::int + 1\0\0\1\0\0\0\x17") + message(b"B", b"\0s\0\0\0\0\1\0\0\0\2" + b"41" + b"\0\0") + message(b"E", b"\0\0\0\0\0") + message(b"S")
    for cut in range(0, len(whole), 3):
        c = logged_in(server.ports["postgres"])
        c.socket.sendall(whole[:cut])
        c.socket.close()
    c = logged_in(server.ports["postgres"])
    for i in range(len(whole)):
        c.socket.sendall(whole[i:i + 1])
    kinds = b""
    while True:
        kind, body = c.message()
        kinds += kind
        if kind == b"D":
            assert body.endswith(b"42"), body
        if kind == b"Z":
            break
    assert kinds == b"12DCZ", kinds
    c.close()


def oversized(server, rng):
    for length in (0, 3, 0x3fffffff, 0x7fffffff, 0xffffffff):
        c = logged_in(server.ports["postgres"])
        c.socket.sendall(b"Q" + struct.pack("!I", length))
        kind, body = c.message()
        assert kind == b"E" and pgwire.fields(body)["C"] == "08P01", (length, kind)
        c.socket.close()
    c = logged_in(server.ports["postgres"])
    assert c.query("SELECT length('" + "x" * 20_000_000 + "')")[0].rows == [["20000000"]]
    c.close()


def absurd_sql(server, rng):
    c = logged_in(server.ports["postgres"])
    absurd = {
        "terms": "SELECT " + "+".join(["1"] * 1_000_000),
        "parentheses": "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
        "subselects": "SELECT " + "(SELECT " * 5_000 + "1" + ")" * 5_000,
        "not": "SELECT " + "NOT " * 100_000 + "true",
        "minus": "SELECT " + "- " * 100_000 + "1",
        "unions": "SELECT 1" + " UNION ALL SELECT 1" * 5_000,
        "columns": "SELECT " + ",".join(["1"] * 5_000),
        "in list": "SELECT 1 IN (" + ",".join(map(str, range(200_000))) + ")",
        "arrays": "SELECT " + "ARRAY[" * 1_000 + "1" + "]" * 1_000,
        "json": "SELECT '" + "[" * 200_000 + "'::jsonb",
        "case": "SELECT " + "CASE WHEN true THEN " * 3_000 + "1" + " END" * 3_000,
        "joins": "SELECT count(*) FROM " + " CROSS JOIN ".join(f"(SELECT 1) t{i}" for i in range(300)),
        "and": "SELECT " + " AND ".join(["true"] * 100_000),
        "casts": "SELECT 1" + "::int" * 20_000,
        "functions": "SELECT " + "abs(" * 5_000 + "1" + ")" * 5_000,
        "values": "SELECT count(*) FROM (VALUES " + ",".join(["(1)"] * 50_000) + ") v",
        "regex": "SELECT repeat('a', 30) ~ '^(a+)+$b'",
        "repeat": "SELECT length(repeat('x', 2000000000))",
        "quotes": "SELECT '" + "x" * 100,
        "comments": "/*" * 10_000,
        "identifier": 'SELECT 1 AS "' + "x" * 100_000 + '"',
        "parameters": "SELECT $99999999",
        "statements": "SELECT 1;" * 20_000,
    }
    c.query("SET statement_timeout = '15s'")
    for name, text in absurd.items():
        started = time.monotonic()
        try:
            results = c.query(text)
        except (pgwire.WireError, OSError) as e:
            raise AssertionError(f"{name}: the connection broke: {e}; server alive: {server.alive()}")
        took = time.monotonic() - started
        assert took < 30, f"{name} took {took:.1f} s"
        assert results, name
        assert c.query("SELECT 1")[0].rows == [["1"]], name
    c.close()


def many_connections(server, rng):
    open_ = [logged_in(server.ports["postgres"]) for _ in range(100)]
    for c in open_:
        c.start("SELECT 7")
    for c in open_:
        assert c.finish()[0].rows == [["7"]]
    for c in open_:
        c.socket.close()


def slow_reader(server, rng):
    c = logged_in(server.ports["postgres"])
    c.start("SELECT repeat('x', 1000) FROM generate_series(1, 50000)")
    select.select([c.socket], [], [], 20)
    other = logged_in(server.ports["postgres"])
    assert other.query("SELECT 1")[0].rows == [["1"]]
    assert len(c.finish()[0].rows) == 50000
    c.start("SELECT repeat('x', 1000) FROM generate_series(1, 500000)")
    select.select([c.socket], [], [], 20)  # it has begun to send
    c.socket.close()
    assert other.query("SELECT 1")[0].rows == [["1"]]
    other.close()


def main():
    tally = harness.Tally()
    seed = int(os.environ.get("STELE_SEED", str(int(time.time()))))
    print(f"seed {seed}")
    with harness.Server(doors=("postgres",)) as server:
        for test in (random_bytes, broken_messages, truncated, oversized, absurd_sql, many_connections, slow_reader):
            tally.run(test.__name__, test, server, random.Random(seed))
            if not tally.check(f"{test.__name__}: the server lives", server.alive(), server.output()[-3000:]):
                server.start()
    tally.done()


if __name__ == "__main__":
    main()
