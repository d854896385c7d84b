#!/usr/bin/env python3
"""The same commands through a real Redis 7.0 and through Stele, on RESP2 and RESP3; every difference is printed.

Plays scripts/*.txt (a line a command, '#' comments, '@sort' before commands whose order is free, '@shape' before those
of which only the shape is compared, '@kind' only the type of the reply), then random commands from a printed seed, and fails if a command of the table was
never exercised. STELE_REDIS_RANDOM=200000 makes the random run long, STELE_REDIS_SEED=S repeats one.
"""
import collections
import os
import random
import re
import shlex
import sys

from peers import HERE, RealRedis, harness, long_run, port_of, stele
from resp import Conn, Err, Status, Typed

UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "HGETALL", "HKEYS", "HVALS", "SCAN", "SSCAN", "HSCAN", "ZSCAN",
             "GEORADIUS", "GEORADIUS_RO", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO", "GEOSEARCH", "CONFIG"}
SHAPE = {"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY", "TIME", "LASTSAVE", "INFO", "MEMORY"}
# What other tests exercise, because it ends the server, needs a second one, or belongs to Stele alone.
ELSEWHERE = {"shutdown", "migrate", "psync", "sync", "replconf", "failover", "monitor", "script|kill", "function|kill",
             "quit", "stele.sql", "acl|load", "acl|save", "config|rewrite", "module|load", "module|loadex", "module|unload", "restore-asking", "asking"}


def flat(v, out):
    if isinstance(v, (list, tuple)):
        for x in v:
            flat(x, out)
    else:
        out.append(repr(v))
    return out


def shape(v):
    """Types without values; a list is the set of its elements' shapes, an error its first word."""
    if isinstance(v, Typed):
        return (v[0], shape(v[1]) if isinstance(v[1], list) else "value")
    if isinstance(v, (list, tuple)):
        return ("list", tuple(sorted({repr(shape(x)) for x in v})))
    if isinstance(v, Err):
        return "error " + v.split(" ")[0]
    return type(v).__name__


def without_notes(v):
    """Replies of COMMAND without the prose of Redis's key specifications."""
    if isinstance(v, Typed):
        inner = v[1]
        if v[0] == "%" and isinstance(inner, list):
            inner = [(without_notes(a), without_notes(b)) for a, b in inner if a != b"notes"]
        elif isinstance(inner, list):
            inner = [without_notes(x) for x in inner]
        return Typed((v[0], inner))
    if isinstance(v, tuple):
        return tuple(without_notes(x) for x in v)
    if isinstance(v, list):
        v = [without_notes(x) for x in v]
        return v[2:] if v[:1] == [b"notes"] else v
    return v


def same(name, mode, a, b):
    if name == "COMMAND":
        a, b = without_notes(a), without_notes(b)
    if mode == "kind":
        return type(a) is type(b) and (not isinstance(a, Typed) or a[0] == b[0])
    if mode == "shape" or name in SHAPE:
        return shape(a) == shape(b)
    if mode == "sort" or name in UNORDERED:
        return sorted(flat(a, [])) == sorted(flat(b, []))
    return a == b


class Runner:
    """Sends batches to both servers and compares reply by reply."""

    def __init__(self, oracle, other, resp, most=20):
        self.a, self.b = Conn(oracle), Conn(other)
        self.count = self.bad = 0
        self.most = most
        self.recent = collections.deque(maxlen=6)
        if resp == 3:
            self.a.call("HELLO", "3"), self.b.call("HELLO", "3")

    def batch(self, commands):
        for conn in (self.a, self.b):
            conn.raw(b"".join(conn.encode(*c) for c, _ in commands))
        dumps = []
        for command, mode in commands:
            x, y = self.a.read(), self.b.read()
            self.count += 1
            self.recent.append(command)
            name = (command[0] if isinstance(command[0], str) else command[0].decode()).upper()
            if name == "SORT":
                if "nosort" in command:
                    mode = "sort"  # the key may be a set, whose order is free
                if "ALPHA" in command:  # the locale's comparison ends at a zero byte: what it calls equal may stand in any order
                    x, y = ([e.split(b"\0")[0] for e in v] if isinstance(v, list) else v for v in (x, y))
            if name == "DUMP" and x is not None and y is not None:
                dumps.append((command, x, y))
            elif not same(name, mode, x, y):
                self.bad += 1
                if self.bad <= self.most:
                    print("DIFF %s\n  redis %.1000r\n  stele %.1000r" % (" ".join(map(repr, command)), x, y))

        for command, x, y in dumps:
            self.exchange(command, x, y)

    def exchange(self, command, x, y):
        """Each restores what the other dumped: the bytes may differ (order, compression), the values may not."""
        digests = set()
        for payload in (x, y):
            for conn in (self.a, self.b):
                restored = conn.call("RESTORE", "exchanged", 0, payload, "REPLACE")
                digests.add((repr(restored), repr(conn.call("DEBUG", "DIGEST-VALUE", "exchanged")), repr(conn.call("OBJECT", "ENCODING", "exchanged"))))
                conn.call("DEL", "exchanged")
        if len(digests) != 1:
            self.bad += 1
            print("DIFF %r: restored on either side: %r" % (command, digests))

    def flush(self):
        self.a.call("FLUSHALL"), self.b.call("FLUSHALL")


def keys(r, t):
    return "%s%d" % (t, r.randrange(6))


def word(r):
    k = r.random()
    if k < .4:
        return str(r.randrange(-5, 20))
    if k < .8:
        return "m%d" % r.randrange(15)
    if k < .9:
        return "x" * r.choice([1, 10, 44, 45, 63, 64, 65, 100, 200])
    return r.choice(["", "0.1", "1e3", "3.0", "-0", "inf", "hello world", "\x00\xff", "9223372036854775807"])


def score(r):
    return r.choice([str(r.randrange(-10, 30)), "%.3f" % r.uniform(-5, 5), "1e20", "0.1", "-inf", "+inf", "3", "nan" if r.random() < .05 else "2"])


def generate(r):
    """One random command."""
    any_key = lambda: keys(r, r.choice("slhzkxg"))  # noqa: E731
    key = lambda t: keys(r, t) if r.random() < .96 else any_key()  # noqa: E731
    i = lambda lo=-12, hi=12: str(r.randrange(lo, hi))  # noqa: E731
    words = lambda n=4: [word(r) for _ in range(r.randrange(1, n))]  # noqa: E731
    bound = lambda: r.choice(["", "("]) + score(r)  # noqa: E731
    lex = lambda: r.choice(["-", "+", "[" + word(r), "(" + word(r)])  # noqa: E731
    group = r.choice(["string", "string", "list", "list", "set", "hash", "hash", "zset", "zset", "zset", "generic", "stream", "stream", "bit", "hll", "geo", "sort", "multi", "lex"])
    if group == "string":
        k = key("s")
        return r.choice([
            lambda: ["SET", k, word(r)], lambda: ["SET", k, word(r), r.choice(["NX", "XX", "GET", "KEEPTTL", "EX", "FOO"])],
            lambda: ["SET", k, word(r), "PX", "100000", r.choice(["NX", "XX", "GET"])], lambda: ["GET", k], lambda: ["APPEND", k, word(r)], lambda: ["STRLEN", k],
            lambda: ["INCR", k], lambda: ["DECR", k], lambda: ["INCRBY", k, word(r)], lambda: ["DECRBY", k, i()], lambda: ["INCRBYFLOAT", k, r.choice(["1.5", "-2", "0.1", "abc", "3e2"])],
            lambda: ["SETRANGE", k, i(-1, 30), word(r)], lambda: ["GETRANGE", k, i(), i()], lambda: ["GETSET", k, word(r)], lambda: ["SETNX", k, word(r)], lambda: ["GETDEL", k],
            lambda: ["MGET", key("s"), key("s"), key("l")], lambda: ["MSET", key("s"), word(r), key("s"), word(r)], lambda: ["MSETNX", key("s"), word(r), key("s"), word(r)],
            lambda: ["GETEX", k, r.choice(["PERSIST", "EX"]), "100"][: r.choice([2, 3, 4])], lambda: ["SETEX", k, i(-1, 1000), word(r)], lambda: ["LCS", k, key("s")], lambda: ["LCS", k, key("s"), r.choice(["LEN", "IDX"])],
            lambda: ["LCS", k, key("s"), "IDX", "MINMATCHLEN", i(0, 4), "WITHMATCHLEN"], lambda: ["SUBSTR", k, i(), i()]])()
    if group == "list":
        k = key("l")
        return r.choice([
            lambda: ["LPUSH", k] + words(), lambda: ["RPUSH", k] + words(6), lambda: ["LPUSHX", k, word(r)], lambda: ["RPUSHX", k, word(r)], lambda: ["LPOP", k], lambda: ["RPOP", k], lambda: ["LPOP", k, i(-1, 4)],
            lambda: ["RPOP", k, i(0, 4)], lambda: ["LLEN", k], lambda: ["LINDEX", k, i()], lambda: ["LSET", k, i(), word(r)], lambda: ["LRANGE", k, i(), i()], lambda: ["LTRIM", k, i(-12, 3), i(-3, 12)], lambda: ["LREM", k, i(-3, 3), word(r)],
            lambda: ["LINSERT", k, r.choice(["BEFORE", "AFTER", "X"]), word(r), word(r)], lambda: ["LPOS", k, word(r)], lambda: ["LPOS", k, word(r), "RANK", i(-3, 4), "COUNT", i(0, 4), "MAXLEN", i(0, 10)],
            lambda: ["RPOPLPUSH", k, key("l")], lambda: ["LMOVE", k, key("l"), r.choice(["LEFT", "RIGHT"]), r.choice(["LEFT", "RIGHT"])], lambda: ["LMPOP", "2", k, key("l"), r.choice(["LEFT", "RIGHT"]), "COUNT", i(0, 4)],
            lambda: ["BLPOP", k, key("l"), "0.01"] if r.random() < .2 else ["LLEN", k]])()
    if group == "set":
        k = key("x")
        return r.choice([
            lambda: ["SADD", k] + words(5), lambda: ["SREM", k] + words(), lambda: ["SCARD", k], lambda: ["SISMEMBER", k, word(r)], lambda: ["SMISMEMBER", k] + words(), lambda: ["SMEMBERS", k], lambda: ["SMOVE", k, key("x"), word(r)],
            lambda: ["SINTER", k, key("x")], lambda: ["SUNION", k, key("x")], lambda: ["SDIFF", k, key("x"), key("x")], lambda: ["SINTERSTORE", key("x"), k, key("x")], lambda: ["SUNIONSTORE", key("x"), k, key("x")], lambda: ["SDIFFSTORE", key("x"), k, key("x")],
            lambda: ["SINTERCARD", "2", k, key("x"), "LIMIT", i(0, 5)], lambda: ["SRANDMEMBER", k], lambda: ["SSCAN", k, "0", "COUNT", "1000"], lambda: ["OBJECT", "ENCODING", k]])()
    if group == "hash":
        k = key("h")
        return r.choice([
            lambda: ["HSET", k, word(r), word(r), word(r), word(r)], lambda: ["HSET", k, word(r), word(r)], lambda: ["HSETNX", k, word(r), word(r)], lambda: ["HGET", k, word(r)], lambda: ["HMGET", k] + words(), lambda: ["HDEL", k] + words(), lambda: ["HLEN", k], lambda: ["HSTRLEN", k, word(r)],
            lambda: ["HEXISTS", k, word(r)], lambda: ["HGETALL", k], lambda: ["HKEYS", k], lambda: ["HVALS", k], lambda: ["HINCRBY", k, word(r), word(r)], lambda: ["HINCRBYFLOAT", k, word(r), r.choice(["1.5", "0.1", "x"])], lambda: ["HRANDFIELD", k], lambda: ["HSCAN", k, "0", "COUNT", "1000"],
            lambda: ["HMSET", k, word(r), word(r)], lambda: ["HSET", k, word(r)], lambda: ["OBJECT", "ENCODING", k]])()
    if group == "zset":
        k = key("z")
        two = [key("z"), key(r.choice("zx"))]
        return r.choice([
            lambda: ["ZADD", k, score(r), word(r), score(r), word(r)], lambda: ["ZADD", k, r.choice(["NX", "XX", "GT", "LT", "CH", "INCR"]), score(r), word(r)], lambda: ["ZADD", k, r.choice(["GT", "LT", "XX"]), r.choice(["CH", "INCR", "NX"]), score(r), word(r)],
            lambda: ["ZINCRBY", k, score(r), word(r)], lambda: ["ZREM", k] + words(), lambda: ["ZCARD", k], lambda: ["ZSCORE", k, word(r)], lambda: ["ZMSCORE", k] + words(), lambda: ["ZRANK", k, word(r)], lambda: ["ZREVRANK", k, word(r)], lambda: ["ZCOUNT", k, bound(), bound()],
            lambda: ["ZRANGE", k, i(), i()], lambda: ["ZRANGE", k, i(), i(), "REV", "WITHSCORES"], lambda: ["ZREVRANGE", k, i(), i(), "WITHSCORES"], lambda: ["ZRANGEBYSCORE", k, bound(), bound(), "WITHSCORES", "LIMIT", i(-1, 4), i(-1, 5)],
            lambda: ["ZREVRANGEBYSCORE", k, bound(), bound()], lambda: ["ZRANGE", k, bound(), bound(), "BYSCORE"], 
            lambda: ["ZREMRANGEBYRANK", k, i(-2, 12), i(-2, 3)], lambda: ["ZREMRANGEBYSCORE", k, "(5", "7"], lambda: ["ZPOPMIN", k], lambda: ["ZPOPMAX", k, i(0, 3)], lambda: ["ZMPOP", "2", k, key("z"), r.choice(["MIN", "MAX"])],
            lambda: ["ZUNION", "2"] + two + ["WITHSCORES"], lambda: ["ZINTER", "2"] + two + ["WEIGHTS", "2", "3", "WITHSCORES"], lambda: ["ZDIFF", "2"] + two + ["WITHSCORES"], lambda: ["ZUNIONSTORE", key("z"), "2"] + two + ["AGGREGATE", r.choice(["SUM", "MIN", "MAX"])],
            lambda: ["ZINTERSTORE", key("z"), "2"] + two, lambda: ["ZDIFFSTORE", key("z"), "2"] + two, lambda: ["ZINTERCARD", "2"] + two, lambda: ["ZRANGESTORE", key("z"), k, i(), i()], lambda: ["OBJECT", "ENCODING", k], lambda: ["ZSCAN", k, "0", "COUNT", "1000"]])()
    if group == "lex":  # defined where all scores are the same
        k, to = keys(r, "y"), keys(r, "y")
        return r.choice([
            lambda: ["ZADD", k, "0", word(r), "0", word(r), "0", word(r)], lambda: ["ZREM", k] + words(), lambda: ["ZRANGEBYLEX", k, lex(), lex()], lambda: ["ZRANGEBYLEX", k, lex(), lex(), "LIMIT", i(-1, 4), i(-2, 5)],
            lambda: ["ZREVRANGEBYLEX", k, lex(), lex()], lambda: ["ZREVRANGEBYLEX", k, lex(), lex(), "LIMIT", i(-1, 4), i(-2, 5)], lambda: ["ZRANGE", k, lex(), lex(), "BYLEX"], lambda: ["ZRANGE", k, lex(), lex(), "BYLEX", "REV", "LIMIT", i(0, 4), i(-2, 5)],
            lambda: ["ZLEXCOUNT", k, lex(), lex()], lambda: ["ZREMRANGEBYLEX", k, lex(), lex()], lambda: ["ZRANGESTORE", to, k, lex(), lex(), "BYLEX"], lambda: ["ZRANGESTORE", to, k, lex(), lex(), "BYLEX", "REV", "LIMIT", "0", i(-1, 5)],
            lambda: ["ZRANGE", k, word(r), lex(), "BYLEX", "WITHSCORES"][: r.choice([5, 6])], lambda: ["ZRANGEBYLEX", k, word(r), lex()], lambda: ["ZUNIONSTORE", to, "2", k, keys(r, "y")]])()
    if group == "generic":
        k = any_key()
        return r.choice([
            lambda: ["DEL", k], lambda: ["UNLINK", k, any_key()], lambda: ["EXISTS", k, any_key(), k], lambda: ["TYPE", k], lambda: ["RENAME", k, keys(r, k[0])], lambda: ["RENAMENX", k, keys(r, k[0])], lambda: ["COPY", k, keys(r, k[0])], lambda: ["COPY", k, keys(r, k[0]), "REPLACE"],
            lambda: ["EXPIRE", k, "1000"], lambda: ["EXPIRE", k, "1000", r.choice(["NX", "XX", "GT", "LT"])], lambda: ["PEXPIREAT", k, "99999999999999"], lambda: ["TTL", k], lambda: ["PERSIST", k], lambda: ["EXPIRETIME", "s0"], lambda: ["EXPIRE", k, "-1"] if r.random() < .1 else ["TTL", k],
            lambda: ["OBJECT", "ENCODING", k], lambda: ["OBJECT", "REFCOUNT", "nokey"], lambda: ["DBSIZE"], lambda: ["KEYS", r.choice(["*", "s*", "?1", "[lh]2", "nothing"])], lambda: ["TOUCH", k], lambda: ["DUMP", k] if k[0] in "szhlg" and r.random() < .1 else ["EXISTS", k], lambda: ["SCAN", "0", "COUNT", "1000"], lambda: ["DEBUG", "DIGEST-VALUE", k], lambda: ["MOVE", k, "3"] if r.random() < .1 else ["TYPE", k]])()
    if group == "stream":
        k = keys(r, "t")
        sid = lambda: r.choice(["-", "+", "%d" % r.randrange(50), "%d-%d" % (r.randrange(50), r.randrange(3)), "(%d-1" % r.randrange(50)])  # noqa: E731
        sid1 = lambda: "%d-%d" % (r.randrange(60), r.randrange(1, 3))  # noqa: E731
        return r.choice([
            lambda: ["XADD", k, sid1(), word(r), word(r)], lambda: ["XADD", k, "%d-*" % r.randrange(60), "f", word(r), "g", word(r)], lambda: ["XADD", k, "MAXLEN", i(0, 20), sid1(), "f", word(r)], lambda: ["XADD", k, "NOMKSTREAM", sid1(), "f", "1"],
            lambda: ["XLEN", k], lambda: ["XRANGE", k, sid(), sid()], lambda: ["XREVRANGE", k, sid(), sid(), "COUNT", i(0, 5)], lambda: ["XDEL", k, sid1(), sid1()], lambda: ["XTRIM", k, "MAXLEN", i(0, 30)], lambda: ["XTRIM", k, "MINID", sid1()],
            lambda: ["XREAD", "COUNT", i(0, 4), "STREAMS", k, keys(r, "t"), sid1(), "0"], lambda: ["XGROUP", "CREATE", k, "g%d" % r.randrange(2), r.choice(["$", "0", sid1()]), "MKSTREAM"], lambda: ["XGROUP", "SETID", k, "g0", r.choice(["$", "0"])],
            lambda: ["XGROUP", "DESTROY", k, "g1"] if r.random() < .2 else ["XLEN", k], lambda: ["XGROUP", "CREATECONSUMER", k, "g0", "c%d" % r.randrange(3)], lambda: ["XGROUP", "DELCONSUMER", k, "g0", "c%d" % r.randrange(3)], lambda: ["XREADGROUP", "GROUP", "g%d" % r.randrange(2), "c%d" % r.randrange(3), "COUNT", i(1, 4), "STREAMS", k, r.choice([">", ">", "0"])],
            lambda: ["XREADGROUP", "GROUP", "g0", "c0", "NOACK", "STREAMS", k, ">"], lambda: ["XACK", k, "g%d" % r.randrange(2), sid1(), sid1()], lambda: ["XPENDING", k, "g0"], lambda: ["XCLAIM", k, "g0", "c1", "0", sid1(), "JUSTID"], lambda: ["XAUTOCLAIM", k, "g0", "c2", "0", "0", "JUSTID"],
            lambda: ["XINFO", "STREAM", k] if r.random() < .3 else ["XLEN", k], lambda: ["XINFO", "GROUPS", k], lambda: ["XSETID", k, "100-1"] if r.random() < .05 else ["XLEN", k], lambda: ["DEL", k] if r.random() < .2 else ["XLEN", k]])()
    if group == "bit":
        k = keys(r, "b")
        return r.choice([
            lambda: ["SETBIT", k, i(0, 100), r.choice(["0", "1", "2"])], lambda: ["GETBIT", k, i(0, 120)], lambda: ["BITCOUNT", k], lambda: ["BITCOUNT", k, i(), i(), r.choice(["BYTE", "BIT"])], lambda: ["BITPOS", k, r.choice(["0", "1"])], lambda: ["BITPOS", k, r.choice(["0", "1"]), i(), i(), r.choice(["BYTE", "BIT"])],
            lambda: ["BITPOS", k, "0", i()], lambda: ["BITOP", r.choice(["AND", "OR", "XOR"]), keys(r, "b"), k, keys(r, "b")], lambda: ["BITOP", "NOT", keys(r, "b"), k], lambda: ["GET", k],
            lambda: ["BITFIELD", k, "OVERFLOW", r.choice(["WRAP", "SAT", "FAIL"]), "INCRBY", r.choice(["u4", "i5", "u8", "i64", "u63", "i1"]), r.choice(["0", "#1", "7"]), word(r), "GET", "u8", "3"], lambda: ["BITFIELD", k, "SET", r.choice(["u4", "i8", "u64", "i16"]), i(0, 40), word(r)], lambda: ["BITFIELD_RO", k, "GET", "i7", i(0, 50)]])()
    if group == "hll":
        k = keys(r, "p")
        return r.choice([lambda: ["PFADD", k] + [str(r.randrange(6000)) for _ in range(r.randrange(1, 60))], lambda: ["PFCOUNT", k], lambda: ["PFCOUNT", k, keys(r, "p")], lambda: ["PFMERGE", keys(r, "p"), k, keys(r, "p")], lambda: ["PFDEBUG", "ENCODING", k] if r.random() < .5 else ["STRLEN", k], lambda: ["GET", k]])()
    if group == "geo":
        k = keys(r, "g")
        lon, lat = "%.4f" % r.uniform(-20, 20), "%.4f" % r.uniform(-20, 20)
        return r.choice([lambda: ["GEOADD", k, lon, lat, "m%d" % r.randrange(20)], lambda: ["GEOADD", k, r.choice(["NX", "XX", "CH"]), lon, lat, "m%d" % r.randrange(20)], lambda: ["GEODIST", k, "m1", "m2", r.choice(["m", "km", "ft", "mi", "x"])], lambda: ["GEOPOS", k, "m1", "m2", "zz"], lambda: ["GEOHASH", k, "m1", "m3", "zz"],
                         lambda: ["GEOSEARCH", k, "FROMLONLAT", lon, lat, "BYRADIUS", "1500", "km", "ASC", "WITHDIST", "WITHCOORD", "WITHHASH"], lambda: ["GEOSEARCH", k, "FROMMEMBER", "m1", "BYBOX", "2000", "1000", "km", "DESC", "COUNT", "3"], lambda: ["GEORADIUS", k, lon, lat, "1000", "km"], lambda: ["GEORADIUSBYMEMBER", k, "m2", "900", "km", "ASC"],
                         lambda: ["GEOSEARCHSTORE", keys(r, "g"), k, "FROMLONLAT", lon, lat, "BYRADIUS", "1500", "km"]])()
    if group == "sort":
        k = key(r.choice("lxz"))
        return r.choice([lambda: ["SORT", k, "ALPHA"], lambda: ["SORT", k], lambda: ["SORT", k, "ALPHA", "DESC", "LIMIT", i(0, 3), i(0, 5)], lambda: ["SORT", k, "BY", "nosort", "GET", "#", "GET", "h*->m1"] if k[0] != "x" else ["SORT", k, "ALPHA"], lambda: ["SORT", k, "ALPHA", "STORE", "l5"]])()
    return r.choice([["PING"], ["ECHO", word(r)], ["SELECT", "0"], ["GET"], ["NOSUCH", "a"], ["CONFIG", "GET", "maxmemory"], ["OBJECT", "HELPME"], ["SET", "a"], ["CONFIG", "NOSUCH"]])


def run_random(runner, count, r):
    done = 0
    while done < count and runner.bad < runner.most:
        if done % 20000 == 0:
            runner.flush()
        runner.batch([(generate(r), None) for _ in range(50)])
        done += 50
        if done % 5000 == 0:
            x, y = runner.a.call("DEBUG", "DIGEST"), runner.b.call("DEBUG", "DIGEST")
            if x != y:
                runner.bad += 1
                print("DIFF digest after %d commands: %s %s" % (done, x, y))
                return


def run_script(runner, path):
    runner.flush()
    for line in path.read_text().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        mode = None
        if line.startswith("@"):
            mode, line = line[1:].split(" ", 1)
        words = [w.encode().decode("unicode_escape").encode("latin1") for w in shlex.split(line)]
        runner.batch([(words, mode)])


def never_called(conn):
    """Commands of the table that nobody called on this server."""
    called = set(re.findall(r"cmdstat_([^:\s]+):calls=\d+,usec=\d+,usec_per_call=[0-9.]+,rejected_calls=\d+", conn.call("INFO", "commandstats").decode()))
    names = []
    for c in conn.call("COMMAND"):
        names += [s[0].decode() for s in c[9]] or [c[0].decode()]
    return sorted(n for n in names if n not in called and n not in ELSEWHERE)


def main():
    tally = harness.Tally()
    seed = long_run("STELE_REDIS_SEED", 1795272119)
    count = long_run("STELE_REDIS_RANDOM", 16000)
    print("seed %d, %d random commands" % (seed, count))
    with RealRedis() as real, stele() as server:
        ports = (real.port, port_of(server))
        for resp in (2, 3):
            total = 0
            for path in sorted((HERE / "scripts").glob("*.txt")):
                for port in ports:
                    c = Conn(port)
                    c.call("SCRIPT", "FLUSH"), c.call("FUNCTION", "FLUSH"), c.call("CONFIG", "RESETSTAT") if resp == 2 and not total else None
                runner = Runner(*ports, resp)
                run_script(runner, path)
                total += runner.count
                tally.check("%s on RESP%d" % (path.name, resp), runner.bad == 0, "%d of %d commands differ" % (runner.bad, runner.count))
            print("RESP%d: %d scripted commands" % (resp, total))
            tally.check("3,000 scripted commands", total >= 3000, total)
            runner = Runner(*ports, resp)
            run_random(runner, count // 2, random.Random(seed + resp))
            print("RESP%d: %d random commands, %d differences" % (resp, runner.count, runner.bad))
            tally.check("random commands on RESP%d" % resp, runner.bad == 0, "seed %d: %d differences" % (seed, runner.bad))
        tally.equal("commands never exercised", never_called(Conn(ports[1])), [])
    tally.done()


if __name__ == "__main__":
    main()
