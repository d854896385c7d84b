#!/usr/bin/env python3
"""MIGRATE between a real Redis 7.0 and Stele, both ways: every encoding arrives as it left, and errors are Redis's."""
import time

from peers import Conn, RealRedis, free_port, harness, port_of, stele
from resp import Err

VALUES = {
    "int": [("SET", "int", "123456789")], "short": [("SET", "short", "abc")], "long": [("SET", "long", "abc" * 5000)], "binary": [("SET", "binary", bytes(range(256)))],
    "list": [("RPUSH", "list", *range(50))], "quicklist": [("RPUSH", "quicklist", *("element-%d" % i * 9 for i in range(3000)))], "giant": [("RPUSH", "giant", "x" * 100_000, "y")],
    "intset": [("SADD", "intset", 1, -70000, 1 << 40)], "set": [("SADD", "set", *("m%d" % i for i in range(700)))],
    "hash": [("HSET", "hash", "f", "v", "n", "17")], "table": [("HSET", "table", *(w for i in range(700) for w in ("f%d" % i, "v%d" % i)))],
    "zset": [("ZADD", "zset", 1, "a", 2.5, "b", "-inf", "c")], "skiplist": [("ZADD", "skiplist", *(w for i in range(700) for w in (i / 7, "m%d" % i)))],
    "stream": [("XADD", "stream", "%d-1" % i, "f", i, "g", "v") for i in range(1, 300)] + [("XDEL", "stream", "5-1"), ("XGROUP", "CREATE", "stream", "group", "0"),
               ("XREADGROUP", "GROUP", "group", "alice", "COUNT", "20", "STREAMS", "stream", ">"), ("XACK", "stream", "group", "3-1")],
}


def digest(c, key):
    return c.call("DEBUG", "DIGEST-VALUE", key), c.call("OBJECT", "ENCODING", key), c.call("PTTL", key) > 0


def both_ways(tally, source, target, target_port, name):
    expected = {}
    for key, commands in VALUES.items():
        for command in commands:
            source.check(source.call(*command))
        if key == "hash":
            source.call("PEXPIRE", key, 10_000_000)
        expected[key] = digest(source, key)
    pending = source.call("XPENDING", "stream", "group")
    keys = list(VALUES)
    tally.equal("%s: one key" % name, source.call("MIGRATE", "127.0.0.1", target_port, keys[0], 0, 5000, "COPY"), "OK")
    tally.equal("%s: a copy stays" % name, source.call("EXISTS", keys[0]), 1)
    busy = source.call("MIGRATE", "127.0.0.1", target_port, keys[0], 0, 5000)
    tally.equal("%s: in the way" % name, (isinstance(busy, Err), str(busy)), (True, "ERR Target instance replied with error: BUSYKEY Target key name already exists."))
    tally.equal("%s: all keys" % name, source.call("MIGRATE", "127.0.0.1", target_port, "", 0, 5000, "REPLACE", "KEYS", *keys, "nosuch"), "OK")
    tally.equal("%s: none is left" % name, source.call("EXISTS", *keys), 0)
    for key in keys:
        tally.equal("%s: %s" % (name, key), digest(target, key), expected[key])
    tally.equal("%s: pending entries" % name, target.call("XPENDING", "stream", "group"), pending)
    target.call("FLUSHALL")


def errors(tally, ours, target_port):
    ours.call("SET", "k", "v")
    dead = free_port()
    for command, reply in [
        (("nosuch", 0, 100), "NOKEY"),
        (("k", 0, 100, "FOO"), "ERR syntax error"), (("k", "x", 100), "ERR value is not an integer or out of range"),
        (("k", 0, 100, "KEYS", "a"), "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"),
        (("k", 99, 1000), "ERR Target instance replied with error: ERR DB index is out of range"),
        (("k", 0, 1000, "AUTH", "foo"), "ERR Target instance replied with error: ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"),
    ]:
        tally.equal("MIGRATE %s" % (command,), str(ours.call("MIGRATE", "127.0.0.1", target_port, *command)), reply)
    tally.equal("nobody listens", str(ours.call("MIGRATE", "127.0.0.1", dead, "k", 0, 500)), "IOERR error or timeout writing to target instance")
    tally.equal("the key stays", ours.call("GET", "k"), b"v")


def silent_target(tally, ours):
    """A target that accepts and never answers: the timeout counts, and the key stays."""
    import socket
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        reply = ours.call("MIGRATE", "127.0.0.1", silent.getsockname()[1], "k", 0, 300)
        tally.equal("no answer", (str(reply), 0.2 < time.monotonic() - started < 20), ("IOERR error or timeout reading to target instance", True))
    tally.equal("the key is still there", ours.call("GET", "k"), b"v")


def main():
    tally = harness.Tally()
    with RealRedis() as real, stele() as server:
        theirs, ours = Conn(real.port, timeout=60), Conn(port_of(server), timeout=60)
        both_ways(tally, theirs, ours, port_of(server), "Redis to Stele")
        both_ways(tally, ours, theirs, real.port, "Stele to Redis")
        errors(tally, ours, real.port)
        silent_target(tally, ours)
    tally.done()


if __name__ == "__main__":
    main()
