#!/usr/bin/env python3
"""redis-cli, redis-py, ioredis and node-redis, unmodified, against one server; the last speaks RESP2 and RESP3."""
import os
import subprocess
import threading

import redis

from peers import HERE, Conn, harness, port_of, stele


def cli(port, *arguments, text=None):
    done = subprocess.run(["redis-cli", "-p", str(port), *arguments], input=text, capture_output=True, text=True, timeout=60)
    return done.stdout


def test_redis_cli(port):
    assert cli(port, "FLUSHALL") == "OK\n"
    assert cli(port, "SET", "a", "1") == "OK\n"
    assert cli(port, text="INCR a\nLPUSH l x y\nLRANGE l 0 -1\nGET none\n") == "2\n2\ny\nx\n\n"
    assert cli(port, "--no-raw", "HSET", "h", "f", "v") == "(integer) 1\n"
    assert cli(port, "-3", "--no-raw", "HGETALL", "h") == '1# "f" => "v"\n'
    assert cli(port, "--csv", "LRANGE", "l", "0", "-1") == '"y","x"\n'
    assert cli(port, "--eval", "/dev/stdin", "a", ",", "5", text="return redis.call('INCRBY', KEYS[1], ARGV[1])") == "7\n"
    assert "All data transferred" in cli(port, "--pipe", text="SET p1 1\r\nSET p2 2\r\n") and cli(port, "GET", "p2") == "2\n"
    assert sorted(cli(port, "--scan").split()) == ["a", "h", "l", "p1", "p2"]
    big = cli(port, "--bigkeys")
    assert "Biggest" in big and "5 keys" in big, big
    assert "PONG" in cli(port, "-2", "PING") and "redis_version:7.0" in cli(port, "INFO", "server")
    assert "Sampled 5 keys" in cli(port, "--memkeys")
    assert "NOAUTH" not in cli(port, "ACL", "WHOAMI")


def test_redis_py(port):
    client = lambda: redis.Redis(port=port)  # noqa: E731
    r = client()
    r.flushall()
    p = r.pipeline()
    p.set("a", 1)
    p.incr("a")
    p.hset("h", mapping={"x": 1})
    assert p.execute() == [True, 2, 1]
    ps = r.pubsub()
    ps.subscribe("ch")
    assert ps.get_message(timeout=5)["type"] == "subscribe"
    r.publish("ch", "hi")
    assert ps.get_message(timeout=5)["data"] == b"hi"
    ps.close()
    waiter = client()
    waiter.client_setname("waiter")
    pushed = threading.Thread(target=lambda: push_when_blocked(client(), "q", "v"))
    pushed.start()
    assert waiter.blpop("q", timeout=10) == (b"q", b"v")
    pushed.join()
    assert r.blpop("q", timeout=1) is None
    assert r.register_script("return redis.call('incr',KEYS[1])")(keys=["a"]) == 3
    assert r.transaction(lambda t: (t.multi(), t.set("t", 1)), "a") == [True]
    assert r.zadd("z", {"m": 1.5, "n": 2}) == 2 and r.zrange("z", 0, -1, withscores=True) == [(b"m", 1.5), (b"n", 2.0)]
    stream = r.xadd("s", {"f": "v"})
    assert r.xread({"s": 0}) == [[b"s", [(stream, {b"f": b"v"})]]]
    r.xgroup_create("s", "g", 0)
    assert r.xreadgroup("g", "c", {"s": ">"}) == [[b"s", [(stream, {b"f": b"v"})]]]
    assert r.xpending("s", "g")["pending"] == 1 and r.xinfo_stream("s")["length"] == 1
    assert r.geoadd("g", (13.361389, 38.115556, "Palermo")) == 1 and r.geodist("g", "Palermo", "Palermo") == 0
    assert r.config_get("maxmemory") == {"maxmemory": "0"} and r.info()["redis_version"].startswith("7.0")
    assert r.client_list()[0]["db"] == "0" and r.memory_usage("a") > 0 and r.slowlog_len() >= 0
    assert r.command_count() > 200 and r.acl_whoami() == "default" and r.bitcount("a") >= 0
    assert r.set("lock", "token", nx=True, px=1000) and not r.set("lock", "other", nx=True)
    with r.lock("named", timeout=5):
        assert r.exists("named")
    assert sorted(r.scan_iter(count=3)) == sorted(r.keys())
    try:
        r.lpush("a", 1)
        raise AssertionError("no error")
    except redis.ResponseError as e:
        assert str(e) == "WRONGTYPE Operation against a key holding the wrong kind of value"


def push_when_blocked(r, key, value):
    """As soon as some client waits."""
    while r.info("clients")["blocked_clients"] == 0:
        pass
    r.rpush(key, value)


def test_resp3_pushes(port):
    """Invalidation messages and pub/sub beside replies on one connection."""
    a, b = Conn(port), Conn(port)
    a.must("HELLO", 3)
    a.must("CLIENT", "TRACKING", "ON")
    b.must("SET", "tracked", 1)
    a.must("GET", "tracked")
    b.must("SET", "tracked", 2)
    assert a.read() == (">", [b"invalidate", [b"tracked"]])
    assert a.call("SUBSCRIBE", "ch") == (">", [b"subscribe", b"ch", 1])
    b.must("PUBLISH", "ch", "hi")
    assert a.read() == (">", [b"message", b"ch", b"hi"])
    assert a.call("GET", "tracked") == b"2"
    b.must("FLUSHALL")
    assert a.read() == (">", [b"invalidate", None])


def node(script):
    def test(port):
        modules = HERE.parent / "clients/node_modules"
        if not modules.exists():
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], cwd=modules.parent, check=True)
        done = subprocess.run(["node", str(HERE / script), str(port)], capture_output=True, text=True, timeout=120, env=dict(os.environ, NODE_PATH=str(modules)))
        assert done.returncode == 0 and done.stdout.endswith("ok\n"), done.stdout + done.stderr
    return test


def main():
    tally = harness.Tally()
    with stele() as server:
        port = port_of(server)
        for name, test in (("redis-cli", test_redis_cli), ("redis-py", test_redis_py), ("RESP3 pushes", test_resp3_pushes),
                           ("ioredis", node("ioredis.js")), ("node-redis", node("node_redis.js"))):
            tally.run(name, test, port)
    tally.done()


if __name__ == "__main__":
    main()
