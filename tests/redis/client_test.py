#!/usr/bin/env python3
"""redis-py against a running server: client_test.py PORT. Pipelines, pub/sub, blocking, scripts, SCRIPT KILL."""
import sys
import threading
import time

import redis

port = int(sys.argv[1])


def client():
    return redis.Redis(port=port)


r = client()
r.flushall()
p = r.pipeline()
p.set("a", 1)
p.incr("a")
p.hset("h", mapping={"x": 1})
assert p.execute() == [True, 2, 1]
ps = r.pubsub()
ps.subscribe("ch")
ps.get_message(timeout=1)
r.publish("ch", "hi")
assert ps.get_message(timeout=1)["data"] == b"hi"
threading.Timer(0.2, lambda: client().rpush("q", "v")).start()
assert r.blpop("q", timeout=2) == (b"q", b"v")
assert r.blpop("q", timeout=1) is None
assert r.register_script("return redis.call('incr',KEYS[1])")(keys=["a"]) == 3
ended = []


def endless():
    try:
        client().eval("while true do end", 0)
    except redis.ResponseError as e:
        ended.append(str(e))


r.config_set("busy-reply-threshold", 50)
t = threading.Thread(target=endless)
t.start()
for _ in range(100):
    try:
        r.get("a")
    except redis.ResponseError as e:
        assert "BUSY" in str(e) or "busy" in str(e)
        break
    time.sleep(0.02)
assert r.script_kill()
t.join(5)
assert ended and "killed by user" in ended[0]
assert r.get("a") == b"3"
r.config_set("busy-reply-threshold", 5000)
print("ok")
