#!/usr/bin/env python3
"""Kills the server under load and checks what it promised: kill_test.py BINARY [ROUNDS].

With appendfsync always nothing acknowledged is lost; lists, streams and sorted sets are whole."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from resp import Conn  # noqa: E402


def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    return port


def start(binary, port, data):
    p = subprocess.Popen([binary, str(port), data], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    for _ in range(100):
        try:
            return p, Conn(port)
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30
    data = tempfile.mkdtemp(prefix="stele_kill_")
    seed = int(time.time())
    print("seed %d" % seed)
    r = random.Random(seed)
    acked, bad = 0, 0
    for n in range(rounds):
        port = free_port()
        p, c = start(binary, port, data)
        c.call("CONFIG", "SET", "appendfsync", "always")
        got = int(c.call("GET", "n") or 0)
        items, entries, members = c.call("LLEN", "l"), c.call("XLEN", "s"), c.call("ZCARD", "z")
        if not (acked <= got <= acked + 1) or len({got, items, entries, members}) != 1:
            bad += 1
            print("round %d: acknowledged %d, found n=%d list=%d stream=%d zset=%d" % (n, acked, got, items, entries, members))
        acked = got
        until = time.time() + r.uniform(0.1, 0.6)
        while time.time() < until:
            i = acked + 1
            c.call("MULTI")
            c.call("INCR", "n"), c.call("RPUSH", "l", i), c.call("XADD", "s", "%d-1" % i, "i", i), c.call("ZADD", "z", i, "m%d" % i)
            if r.random() < 0.05:
                c.send("EXEC")
                break
            c.call("EXEC")
            acked = i
        p.send_signal(signal.SIGKILL)
        p.wait()
        c.close()
    shutil.rmtree(data)
    print("%d kills, %d transactions, %d failures" % (rounds, acked, bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
