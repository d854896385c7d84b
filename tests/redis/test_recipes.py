#!/usr/bin/env python3
"""The recipes of docs/redis-recipes.md, taken from that page and run by many clients at once."""
import random
import re
import threading
import time

from peers import Conn, harness, port_of, stele

SCRIPTS = dict(re.findall(r"^```lua (\w+)\n(.*?)^```$", (harness.ROOT / "docs/redis-recipes.md").read_text(), re.S | re.M))


def together(port, count, work):
    """work(connection, number) on threads; their results."""
    results, failures = [None] * count, []

    def run(i):
        try:
            c = Conn(port, timeout=60)
            results[i] = work(c, i)
            c.close()
        except Exception as e:  # noqa: BLE001
            failures.append(e)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
    return results


def script(c, name, keys, *arguments):
    return c.must("EVAL", SCRIPTS[name], len(keys), *keys, *arguments)


def test_fixed_window(port):
    allowed = together(port, 8, lambda c, i: sum(script(c, "fixed_window", ["w"], 50, 60000) for _ in range(20)))
    assert sum(allowed) == 50, allowed
    c = Conn(port)
    assert 0 < c.must("PTTL", "w") <= 60000
    c.must("PEXPIRE", "w", 1)
    while c.must("EXISTS", "w"):
        pass
    assert script(c, "fixed_window", ["w"], 50, 60000) == 1


def test_sliding_window(port):
    allowed = together(port, 8, lambda c, i: sum(script(c, "sliding_window", ["s"], 30, 60000, "%d-%d" % (i, k)) for k in range(20)))
    assert sum(allowed) == 30, allowed
    c = Conn(port)
    times, refused = [], 0
    while len(times) < 12:
        before = time.time()
        if script(c, "sliding_window", ["t"], 3, 40, "%d" % (len(times) + refused)):
            times.append((before, time.time()))
        else:
            refused += 1
    for (first_begun, _), (_, fourth_done) in zip(times, times[3:]):
        assert fourth_done - first_begun >= 0.038, "four within a window of three"
    assert refused > 0


def test_token_bucket(port):
    started = time.monotonic()
    given = together(port, 8, lambda c, i: sum(script(c, "token_bucket", ["b"], 100, 10, 1)[0] for _ in range(40)))
    most = 100 + 10 * (time.monotonic() - started) + 1
    assert 100 <= sum(given) <= most, (sum(given), most)
    c = Conn(port)
    assert script(c, "token_bucket", ["b"], 100, 10, 101)[0] == 0
    assert script(c, "token_bucket", ["fresh"], 5, 1, 2) == [1, 3]


def test_lock(port):
    c = Conn(port)
    c.must("SET", "guarded", 0)

    def work(c, i):
        token = "%d-%d" % (i, random.getrandbits(60))
        for _ in range(10):
            while c.must("SET", "lock:x", token, "NX", "PX", 30000) != "OK":
                pass
            n = int(c.must("GET", "guarded"))  # not atomic without the lock
            c.must("SET", "guarded", n + 1)
            assert script(c, "prolong", ["lock:x"], token, 30000) == 1
            assert script(c, "unlock", ["lock:x"], token) == 1
    together(port, 6, work)
    assert c.must("GET", "guarded") == b"60"
    c.must("SET", "lock:x", "mine")
    assert script(c, "unlock", ["lock:x"], "other") == 0 and c.must("EXISTS", "lock:x") == 1


def test_cache_aside(port):
    source = {"v": 0}
    guard = threading.Lock()
    stop = threading.Event()
    stale = []

    def work(c, i):
        if i == 0:  # updates the source, then removes the copy
            for _ in range(200):
                with guard:
                    source["v"] += 1
                for command in (("MULTI",), ("INCR", "version"), ("DEL", "value"), ("EXEC",)):
                    c.must(*command)
                settled = source["v"]
                got = read(c)
                if got < settled:
                    stale.append((got, settled))
            stop.set()
        else:
            while not stop.is_set():
                read(c)

    def read(c):
        cached = c.must("GET", "value")
        if cached is not None:
            return int(cached)
        version = c.must("GET", "version") or b"0"
        with guard:
            value = source["v"]
        script(c, "fill", ["value", "version"], version, value, 60000)
        return value
    together(port, 4, work)
    assert not stale, stale[:3]
    assert read(Conn(port)) == 200


def test_write_behind(port):
    c = Conn(port)
    c.must("XGROUP", "CREATE", "changes", "writers", "$", "MKSTREAM")
    written, guard, done = {}, threading.Lock(), threading.Event()

    def work(c, i):
        if i < 3:
            for k in range(100):
                for command in (("MULTI",), ("HSET", "item:%d" % i, "price", k), ("XADD", "changes", "*", "key", "item:%d" % i, "price", k), ("EXEC",)):
                    c.must(*command)
            return
        name = "worker%d" % i
        if i == 3:  # takes entries and dies
            while not (c.must("XREADGROUP", "GROUP", "writers", name, "COUNT", 5, "STREAMS", "changes", ">")):
                pass
            return
        while not done.is_set():
            got = c.must("XREADGROUP", "GROUP", "writers", name, "COUNT", 20, "BLOCK", 20, "STREAMS", "changes", ">")
            entries = got[0][1] if got else c.must("XAUTOCLAIM", "changes", "writers", name, 0 if done.is_set() else 100, 0)[1]
            for entry, fields in entries:
                with guard:
                    written[entry] = dict(zip(fields[::2], fields[1::2]))
                c.must("XACK", "changes", "writers", entry)
            with guard:
                if len(written) == 300:
                    done.set()
    together(port, 6, work)
    assert c.must("XPENDING", "changes", "writers")[0] == 0
    state = {}
    for entry in sorted(written, key=lambda e: tuple(map(int, e.split(b"-")))):
        state[written[entry][b"key"]] = written[entry][b"price"]
    assert state == {b"item:%d" % i: b"99" for i in range(3)} and all(c.must("HGET", k, "price") == v for k, v in state.items())


def test_leaderboard(port):
    totals = {}
    rounds = [[("p%d" % random.Random(i * 100 + k).randrange(30), k % 7 + 1) for k in range(100)] for i in range(6)]
    for points in rounds:
        for player, n in points:
            totals[player] = totals.get(player, 0) + n
    together(port, 6, lambda c, i: [script(c, "neighbours", ["board"], player, n, 1) for player, n in rounds[i]])
    c = Conn(port)
    expected = sorted(((n, p) for p, n in totals.items()), reverse=True)
    flat = c.must("ZRANGE", "board", 0, -1, "REV", "WITHSCORES")
    assert [(int(s), p.decode()) for p, s in zip(flat[::2], flat[1::2])] == expected
    place, around = script(c, "neighbours", ["board"], expected[4][1], 0, 1)
    assert place == 5 and [p.decode() for p in around[::2]] == [p for _, p in expected[3:6]]
    assert script(c, "neighbours", ["board"], "nobody", 0, 1) is None


def main():
    tally = harness.Tally()
    tests = [(name[5:], f) for name, f in globals().items() if name.startswith("test_")]
    used = set(re.findall(r'script\(c, "(\w+)"', open(__file__).read()))
    tally.equal("scripts of the page that no test runs", sorted(set(SCRIPTS) - used), [])
    with stele() as server:
        for name, f in tests:
            tally.run(name, f, port_of(server))
            Conn(port_of(server)).must("FLUSHALL")
    tally.done()


if __name__ == "__main__":
    main()
