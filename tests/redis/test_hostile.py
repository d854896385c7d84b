#!/usr/bin/env python3
"""Hostile input is contained as in Redis: length bombs, garbage, deep nesting, endless scripts, slow readers. Run it on a sanitizer build too."""
import random
import socket
import threading
import time

from peers import Conn, harness, long_run, port_of, stele
from resp import Err


def raw(port, data, timeout=20):
    """Everything the server answers until it closes."""
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    got = b""
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while chunk := s.recv(65536):
            got += chunk
    except ConnectionError:
        pass
    s.close()
    return got


def test_protocol(port):
    for data, answer in ((b"*2147483648\r\n", b"invalid multibulk length"), (b"*1\r\n$536870913\r\n", b"invalid bulk length"), (b"*1\r\n$-5\r\n", b"invalid bulk length"),
                         (b"*1\r\n:5\r\n", b"expected '$', got ':'"), (b"*abc\r\n", b"invalid multibulk length"), (b"*1\r\n$abc\r\n", b"invalid bulk length"),
                         (b"x" * 70000, b"too big inline request"), (b"*" + b"1" * 70000, b"too big mbulk count string"), (b"*1\r\n$" + b"1" * 70000, b"too big bulk count string"),
                         (b'SET a "unbalanced\r\n', b"unbalanced quotes in request"), (b"*1000000\r\n$1\r\n", b""), (b"*1\r\n$500000000\r\nabc", b""), (b"\r\n\r\n*0\r\n*-1\r\nPING\r\n", b"+PONG\r\n")):
        got = raw(port, data)
        assert (answer in got) if answer else got == b"", (data[:40], got[:200])
    r = random.Random(1)
    for _ in range(150):
        raw(port, bytes(r.choice(b"*$:+-\r\n0123456789SETGET \"'\\x\x00\xff") for _ in range(r.randrange(300))))


def test_lengths(port):
    c = Conn(port, timeout=60)
    for command in (("SETRANGE", "k", 536870912, "x"), ("SETRANGE", "k", 2**63 - 1, "x"), ("SETBIT", "k", 2**32, 1), ("BITFIELD", "k", "SET", "u8", 2**62, 1), ("SRANDMEMBER", "k", -2**63), ("HRANDFIELD", "k", -2**63, "WITHVALUES"),
                    ("ZRANDMEMBER", "k", -2**62, "WITHSCORES"), ("LPOS", "k", "a", "RANK", -2**63), ("ZUNIONSTORE", "d", 2**31, "a"), ("LMPOP", 2**40, "a", "LEFT"), ("XREAD", "COUNT", 2**63 - 1, "STREAMS", "k", "0"), ("EVAL", "return 1", 2**31, "a"),
                    ("GEOADD", "g", "nan", "nan", "m"), ("PFADD", "k"), ("OBJECT", "FREQ"), ("COPY", "k", "k2", "DB", 2**31), ("EXPIRE", "k", 2**63 - 1), ("SORT", "k", "LIMIT", -2**63, 2**63 - 1), ("LCS", "a", "b", "MINMATCHLEN", 2**63 - 1, "IDX"), ("SCAN", 2**64 - 1, "COUNT", 2**62)):
        c.call(*command)
    c.must("SET", "s", "x")
    assert c.call("SETRANGE", "s", 536870911, "xx").startswith("ERR string exceeds maximum allowed size")
    c.must("SADD", "set", *range(10))
    assert "out of range" in c.call("SRANDMEMBER", "set", -2**63)
    assert c.must("PING") == "PONG"


def mutants(r, payload, count):
    """Damaged dumps whose checksum says "none", so that the decoders see them."""
    body = bytearray(payload[:-8])
    for _ in range(count):
        b = bytearray(body)
        for _ in range(r.choice((1, 1, 2, 5))):
            how = r.random()
            at = r.randrange(len(b) - 2)
            if how < .6:
                b[at] = r.choice((0, 1, 0x7f, 0x80, 0xff, r.randrange(256)))
            elif how < .8:
                del b[at:min(at + r.randrange(1, 9), len(b) - 2)]
            else:
                b[at:at] = bytes(r.randrange(256) for _ in range(r.randrange(1, 9)))
        yield bytes(b) + b"\0" * 8


def test_restore(port):
    r = random.Random(long_run("STELE_REDIS_SEED", 7))
    c = Conn(port, timeout=60)
    c.must("DEL", *"abcdefghij")
    c.must("SET", "a", "hello" * 30)
    c.must("RPUSH", "b", *[("x" * (i % 90)) for i in range(40)], *range(-5, 5000, 500))
    c.must("SADD", "c", *range(20))
    c.must("SADD", "d", *["m%d" % i for i in range(20)])
    c.must("ZADD", "e", *[x for i in range(10) for x in (i * 1.5, "m%d" % i)])
    c.must("ZADD", "f", *[x for i in range(200) for x in (i, "m%d" % i)])
    c.must("HSET", "g", *[x for i in range(10) for x in ("f%d" % i, i)])
    c.must("HSET", "h", *[x for i in range(200) for x in ("f%d" % i, "v" * i)])
    for i in range(30):
        c.must("XADD", "i", "%d-1" % (i + 1), "f", i, "g", "x" * i)
    c.must("XGROUP", "CREATE", "i", "grp", "0")
    c.must("XREADGROUP", "GROUP", "grp", "c1", "COUNT", 5, "STREAMS", "i", ">")
    c.must("PFADD", "j", *range(2000))
    taken = 0
    for key in "abcdefghij":
        for payload in mutants(r, c.must("DUMP", key), long_run("STELE_REDIS_MUTANTS", 120)):
            reply = c.call("RESTORE", "mutant", 0, payload, "REPLACE")
            if isinstance(reply, Err):
                assert reply.startswith("ERR Bad data format") or "DUMP payload version or checksum are wrong" in reply, reply
                continue
            taken += 1  # what was taken must be usable
            for command in (("OBJECT", "ENCODING", "mutant"), ("DUMP", "mutant"), ("TYPE", "mutant"), ("GET", "mutant"), ("APPEND", "mutant", "x"), ("LRANGE", "mutant", 0, -1), ("LPOP", "mutant"), ("RPUSH", "mutant", 1), ("LINSERT", "mutant", "BEFORE", "x", "y"),
                            ("LREM", "mutant", 0, "x"), ("SMEMBERS", "mutant"), ("SADD", "mutant", "new"), ("SPOP", "mutant"), ("ZRANGE", "mutant", 0, -1, "WITHSCORES"), ("ZADD", "mutant", 3, "m3"), ("ZPOPMIN", "mutant"), ("ZRANK", "mutant", "m5"), ("HGETALL", "mutant"),
                            ("HSET", "mutant", "f3", "y"), ("HDEL", "mutant", "f1"), ("XRANGE", "mutant", "-", "+"), ("XREVRANGE", "mutant", "+", "-"), ("XADD", "mutant", "*", "a", "b"), ("XTRIM", "mutant", "MAXLEN", 3), ("XDEL", "mutant", "30-1"), ("XINFO", "STREAM", "mutant", "FULL"),
                            ("XREADGROUP", "GROUP", "grp", "c2", "STREAMS", "mutant", ">"), ("XAUTOCLAIM", "mutant", "grp", "c3", 0, 0), ("PFCOUNT", "mutant"), ("PFADD", "mutant", "zz"), ("COPY", "mutant", "copied", "REPLACE"), ("DEBUG", "DIGEST-VALUE", "mutant"), ("DEL", "mutant")):
                c.call(*command)
    c.must("DEL", *"abcdefghij", "copied")
    print("restored %d damaged dumps that still made sense" % taken)


def test_nesting(port):
    c = Conn(port, timeout=60)
    assert "too many nested" in c.call("EVAL", "return cjson.decode(string.rep('[', 100000))", 0)
    assert "excessive nesting" in c.call("EVAL", "local t = {}; for i = 1, 100000 do t = {t} end; return cjson.encode(t)", 0)
    for script in ("local t = {}; t[1] = t; return cmsgpack.pack(t)", "return cmsgpack.unpack(string.rep('\\145', 100000))", "return cmsgpack.unpack(string.char(0xdd, 0xff, 0xff, 0xff, 0xff))", "return struct.pack('>I2147483648', 1)", "return struct.unpack('>I8', 'abc')",
                   "return struct.unpack('s', 'unended')", "return struct.size('i999999999999')", "return cjson.decode('{\"a\":' .. string.rep('1', 100000))", "return bit.lshift(1)", "return string.rep('x', 2^33)", "local function f() return f() + 1 end return f()", "return redis.call()", "return redis.call(nil)",
                   "return loadstring(string.rep('(', 10000))", "error({1})", "local t = {}; for i = 1, 100000 do t = {t} end; return t", "return tostring(nil) .. string.format('%99999d', 1)", "return setmetatable(_G, {})", "return unpack({}, 1, 1e7)", "return string.gsub(string.rep('a', 30000), string.rep('a?', 200), '')[1]"):
        c.call("EVAL", script, 0)
        assert c.must("PING") == "PONG", script
    assert c.call("EVAL", "return cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000))", 0) is not None


def busy(port, command, kill, ended_with):
    """Runs a command that never ends until others are told BUSY, then ends it."""
    replies = []
    t = threading.Thread(target=lambda: replies.append(Conn(port, timeout=60).call(*command)))
    t.start()
    c = Conn(port, timeout=60)
    while True:
        reply = c.call("GET", "x")
        if isinstance(reply, Err):
            assert reply.startswith("BUSY Redis is busy running a script."), reply
            break
    killed = c.call(*kill)
    if killed == "OK":
        t.join(30)
        assert replies and ended_with in replies[0], replies
    return killed


def test_endless_scripts(port):
    c = Conn(port, timeout=60)
    c.must("CONFIG", "SET", "busy-reply-threshold", 50)
    assert c.call("SCRIPT", "KILL").startswith("NOTBUSY")
    assert busy(port, ("EVAL", "while true do end", 0), ("SCRIPT", "KILL"), "killed by user") == "OK"
    assert busy(port, ("EVAL", "while true do pcall(function() while true do end end) end", 0), ("SCRIPT", "KILL"), "killed by user") == "OK"
    c.must("FUNCTION", "LOAD", "REPLACE", "#!lua name=endless\nredis.register_function('endless', function() while true do redis.call('PING') end end)")
    assert busy(port, ("FCALL", "endless", 0), ("FUNCTION", "KILL"), "killed by user") == "OK"
    unkillable = busy(port, ("EVAL", "redis.call('SET', 'x', 'y'); local n = 0; while n < 6e7 do n = n + 1 end; return 'ended'", 0), ("SCRIPT", "KILL"), "")
    assert unkillable.startswith("UNKILLABLE"), unkillable
    while isinstance(c.call("GET", "x"), Err):
        time.sleep(0.01)
    assert c.call("GET", "x") == b"y"
    c.must("CONFIG", "SET", "busy-reply-threshold", 5000)
    c.must("DEL", "x")


def closed(s):
    """Reads what is left; true when the server closed the connection."""
    s.settimeout(30)
    try:
        while s.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    except socket.timeout:
        return False
    return True


def test_slow_readers(port):
    c = Conn(port, timeout=60)
    c.must("CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0 pubsub 2mb 0 0")
    c.must("SET", "big", "x" * 100000)
    slow = socket.create_connection(("127.0.0.1", port))
    slow.sendall(c.encode("GET", "big") * 500)
    reader = Conn(port, timeout=60)
    reader.must("SUBSCRIBE", "ch")
    for _ in range(500):
        c.call("PUBLISH", "ch", "x" * 50000)
    assert closed(slow) and closed(reader.sock)
    c.must("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0 pubsub 32mb 8mb 60")
    c.must("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy = socket.create_connection(("127.0.0.1", port))
    try:
        greedy.sendall(b"*2\r\n$3\r\nGET\r\n$400000000\r\n" + b"x" * (8 << 20))
    except ConnectionError:
        pass
    assert closed(greedy)
    c.must("CONFIG", "SET", "client-query-buffer-limit", "1gb")
    c.must("CONFIG", "SET", "maxclients", 20)
    many = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    many[-1].settimeout(20)
    assert many[-1].recv(100) == b"-ERR max number of clients reached\r\n"
    for s in many:
        s.close()
    c.must("CONFIG", "SET", "maxclients", 10000)
    c.must("DEL", "big")


def main():
    tally = harness.Tally()
    with stele() as server:
        port = port_of(server)
        for test in (test_protocol, test_lengths, test_restore, test_nesting, test_endless_scripts, test_slow_readers):
            tally.run(test.__name__, test, port)
            if not tally.check("the server lives after " + test.__name__, server.alive(), server.output()[-3000:]):
                break
        log = server.output()
        tally.check("no sanitizer report", "Sanitizer" not in log and "runtime error" not in log, log[-3000:])
    tally.done()


if __name__ == "__main__":
    main()
