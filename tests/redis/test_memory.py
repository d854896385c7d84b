#!/usr/bin/env python3
"""Datasets larger than memory, and the eight eviction policies.

Beyond memory-limit values live on disk only and every command still answers (STELE_REDIS_COLD_MB sets the limit, the data is four
times that); with maxmemory each policy evicts what Redis documents.
"""
import os
import random
import time

from peers import Conn, harness, long_run, port_of, stele


def info(c, field):
    return int(next(line for line in c.call("INFO", "everything").decode().splitlines() if line.startswith(field + ":")).split(":")[1])


def used(c):
    return info(c, "used_memory")


def wait_until(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what)
        time.sleep(0.05)


class Model:
    """Random commands on the server and on Python values."""

    def __init__(self, c, r):
        self.c, self.r, self.data, self.bytes = c, r, {}, 0

    def text(self, n):
        return b"%0*d" % (n, self.r.randrange(10**9))

    def make(self, i):
        kind = "shzlx"[i % 5]
        key = "%s%d" % (kind, i)
        words = [self.text(self.r.randrange(20, 200)) for _ in range(12)]
        if kind == "s":
            value = b"".join(words)
            self.c.must("SET", key, value)
        elif kind == "h":
            value = {b"f%d" % k: w for k, w in enumerate(words)}
            self.c.must("HSET", key, *[x for p in value.items() for x in p])
        elif kind == "z":
            value = {w: k for k, w in enumerate(words)}
            self.c.must("ZADD", key, *[x for w, k in value.items() for x in (k, w)])
        elif kind == "l":
            value = words
            self.c.must("RPUSH", key, *words)
        else:
            value = [[b"%d-1" % (k + 1), [b"f", w]] for k, w in enumerate(words)]
            for k, w in enumerate(words):
                self.c.must("XADD", key, "%d-1" % (k + 1), "f", w)
        self.data[key] = value

    def change(self, key):
        value, w = self.data[key], self.text(50)
        if key[0] == "s":
            self.data[key] = value + w
            self.c.must("APPEND", key, w)
        elif key[0] == "h":
            value[b"f3"] = w
            self.c.must("HSET", key, "f3", w)
        elif key[0] == "z":
            value[w] = 77
            self.c.must("ZADD", key, 77, w)
        elif key[0] == "l":
            value.append(w)
            self.c.must("RPUSH", key, w)
        else:
            value.append([b"%d-1" % (len(value) + 1), [b"f", w]])
            self.c.must("XADD", key, "%d-1" % len(value), "f", w)

    def check(self, key):
        value = self.data[key]
        if key[0] == "s":
            got = self.c.call("GET", key)
        elif key[0] == "h":
            flat = self.c.call("HGETALL", key)
            got = dict(zip(flat[::2], flat[1::2]))
        elif key[0] == "z":
            flat = self.c.call("ZRANGE", key, 0, -1, "WITHSCORES")
            got = dict(zip(flat[::2], map(int, flat[1::2])))
        elif key[0] == "l":
            got = self.c.call("LRANGE", key, 0, -1)
        else:
            got = self.c.call("XRANGE", key, "-", "+")
        if got != value:
            raise AssertionError("%s: got %.200r, expected %.200r" % (key, got, value))


def test_larger_than_memory(r):
    limit = long_run("STELE_REDIS_COLD_MB", 4) << 20
    with stele() as server:
        c = Conn(port_of(server), timeout=120)
        base = used(c)
        c.must("CONFIG", "SET", "memory-limit", base + limit)
        model, i, written = Model(c, r), 0, 0
        while written < 4 * limit:
            model.make(i)
            written += 1500
            i += 1
        wait_until("memory above the limit: %d" % used(c), lambda: used(c) <= base + limit * 5 // 4)
        cold = info(c, "stele_cold_keys")
        assert cold > i // 3, "%d of %d keys are cold" % (cold, i)
        assert c.must("DBSIZE") == i and c.call("TYPE", "z2") == "zset"
        keys = list(model.data)
        for _ in range(4000):
            key = r.choice(keys)
            pick = r.random()
            if pick < .25:
                model.change(key)
            elif pick < .27:
                c.must("DEL", key)
                del model.data[key]
                keys.remove(key)
            elif pick < .29:
                c.must("RENAME", key, key + "r")
                model.data[key + "r"] = model.data.pop(key)
                keys[keys.index(key)] = key + "r"
            else:
                model.check(key)
        assert c.must("DBSIZE") == len(keys)
        seen, cursor = set(), b"0"
        while True:
            cursor, some = c.must("SCAN", cursor, "COUNT", 500)
            seen.update(some)
            if cursor == b"0":
                break
        assert seen == {k.encode() for k in keys}
        for key in keys:
            model.check(key)
        wait_until("memory above the limit after reading everything", lambda: used(c) <= base + limit * 5 // 4)
        server.stop()
        server.start()
        model.c = c = Conn(port_of(server), timeout=120)
        for key in keys:
            model.check(key)
        print("larger than memory: %d keys, %d cold, limit %d MB" % (len(keys), cold, limit >> 20), flush=True)


def fill(c, prefix, count, *options):
    """Sets keys until done or refused; returns how many went in."""
    for i in range(count):
        reply = c.call("SET", "%s:%d" % (prefix, i), "x" * 200, *options)
        if reply != "OK":
            assert reply.startswith("OOM command not allowed when used memory > 'maxmemory'."), reply
            return i
    return count


def alive(c, prefix, count):
    return sum(c.call("EXISTS", *["%s:%d" % (prefix, i) for i in range(at, min(at + 500, count))]) for at in range(0, count, 500))


def test_policy(policy):
    with stele() as server:
        c = Conn(port_of(server), timeout=60)
        c.must("CONFIG", "SET", "maxmemory", 0, "maxmemory-policy", policy, "maxmemory-samples", 10)
        base, n = used(c), 4000
        limit = base + (3 << 20)
        volatile = policy.startswith("volatile")
        if policy == "noeviction":
            c.must("CONFIG", "SET", "maxmemory", limit)
            went = fill(c, "a", 30000)
            assert 4000 < went < 20000 and alive(c, "a", went) == went and info(c, "evicted_keys") == 0
            assert c.call("GET", "a:1") == b"x" * 200 and c.call("DEL", "a:1") == 1
            c.call("LPUSH", "l", "x" * 2000000)  # was there room before? Then it is let in
            assert c.call("LPUSH", "l2", "x").startswith("OOM")
            return
        fill(c, "kept", 500)                       # persistent
        fill(c, "hot", n, "EX", 100000)            # volatile, used often
        fill(c, "cold", n, "EX", 1000 if policy == "volatile-ttl" else 100000)
        if "lru" in policy:
            time.sleep(2.1)                        # the clock of access counts seconds
        for _ in range(60 if "lfu" in policy else 1):
            for i in range(0, n, 4):
                c.raw(b"".join(c.encode("GET", "hot:%d" % k) for k in range(i, i + 4)))
                for _ in range(4):
                    c.read()
            if "lfu" in policy:
                for i in range(0, 500, 10):
                    c.raw(b"".join(c.encode("GET", "kept:%d" % k) for k in range(i, i + 10)))
                    for _ in range(10):
                        c.read()
        c.must("CONFIG", "SET", "maxmemory", used(c))
        fill(c, "new", 2500, "EX", 1 << 20)
        assert used(c) <= int(c.must("CONFIG", "GET", "maxmemory")[1]) + 50000, "memory above maxmemory"
        evicted = info(c, "evicted_keys")
        assert evicted > 1000, evicted
        hot, cold, kept = alive(c, "hot", n), alive(c, "cold", n), alive(c, "kept", 500)
        print("%s: %d evicted; of %d: hot %d, cold %d left; persistent %d of 500" % (policy, evicted, n, hot, cold, kept), flush=True)
        if volatile:
            assert kept == 500, "a key without expiry was evicted"
        if policy.endswith("random"):
            assert hot < n and cold < n and abs(hot - cold) < n // 5
        else:
            assert n - hot < (n - cold) // 10, "what was used often went first"
        if volatile:  # nothing volatile left: writes are refused
            c.must("CONFIG", "SET", "maxmemory", base)
            wait_until("volatile keys stay", lambda: c.call("SET", "more", "x" * 1000) != "OK" and alive(c, "hot", n) == 0)
            assert alive(c, "kept", 500) == 500


def main():
    tally = harness.Tally()
    seed = long_run("STELE_REDIS_SEED", 1)
    print("seed %d" % seed)
    if "STELE_REDIS_POLICIES" not in os.environ:
        tally.run("larger than memory", test_larger_than_memory, random.Random(seed))
    for policy in os.environ.get("STELE_REDIS_POLICIES", "").split() or ("noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"):
        tally.run(policy, test_policy, policy)
    tally.done()


if __name__ == "__main__":
    main()
