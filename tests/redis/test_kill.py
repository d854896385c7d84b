#!/usr/bin/env python3
"""Kills the server under load and checks what it promised.

With appendfsync always nothing acknowledged is lost; with everysec at most the last second. Each transaction of a client adds
the same number to a counter, a list, a stream, a sorted set and a hash, so after recovery they must tell the same story.
STELE_REDIS_KILLS=30 kills thirty times in each mode.
"""
import random
import threading
import time

from peers import Conn, harness, long_run, port_of, stele

CLIENTS = 4


class Writer(threading.Thread):
    """Commits numbered transactions on keys named by `who` until the server dies; remembers what was acknowledged and when."""

    def __init__(self, port, who):
        super().__init__(daemon=True)
        self.conn, self.who, self.next = Conn(port), who, 1
        self.acknowledged = []  # (number, time)
        self.sent = 0

    def run(self):
        c, w = self.conn, self.who
        try:
            while True:
                i = self.next
                self.sent = i
                c.raw(b"".join(c.encode(*a) for a in (
                    ("MULTI",), ("INCR", "n" + w), ("RPUSH", "l" + w, i), ("XADD", "s" + w, "%d-1" % i, "i", i),
                    ("ZADD", "z" + w, i, "m%d" % i), ("HSET", "h" + w, "f%d" % i, i), ("EXEC",))))
                for _ in range(6):
                    c.read()
                c.check(c.read())
                self.acknowledged.append((i, time.monotonic()))
                self.next += 1
        except (OSError, ConnectionError):
            pass


def whole(conn, who):
    """The number of transactions found, or a description of what does not fit together."""
    n = int(conn.call("GET", "n" + who) or 0)
    items = [int(x) for x in conn.call("LRANGE", "l" + who, 0, -1)]
    entries = [int(fields[1]) for _, fields in conn.call("XRANGE", "s" + who, "-", "+")]
    members = [m for m in conn.call("ZRANGE", "z" + who, 0, -1)]
    fields = conn.call("HLEN", "h" + who)
    expected = list(range(1, n + 1))
    if items != expected or entries != expected or members != [b"m%d" % i for i in expected] or fields != n:
        return "counter %d, list %d, stream %d, sorted set %d, hash %d" % (n, len(items), len(entries), len(members), fields)
    return n


def run(tally, mode, kills, r):
    with stele() as server:
        found = {}  # of every writer so far: the number of its transactions that survived
        for kill in range(kills):
            port = port_of(server)
            c = Conn(port, timeout=60)
            c.must("CONFIG", "SET", "appendfsync", mode)
            if r.random() < 0.3:
                c.must("MSET", *[x for i in range(2000) for x in ("filler%d" % i, "x" * r.randrange(200))])
            writers = [Writer(port, "%d.%d" % (kill, w)) for w in range(CLIENTS)]
            for w in writers:
                w.start()
            time.sleep(r.uniform(0.2, 0.8) if mode == "always" else r.uniform(0.3, 2.2))
            killed_at = time.monotonic()
            server.kill()
            for w in writers:
                w.join()
            c.close()
            server.start()
            c = Conn(port_of(server), timeout=60)
            for w in writers:
                n = whole(c, w.who)
                if not tally.check("%s, kill %d: values are whole" % (mode, kill), isinstance(n, int), n):
                    continue
                due = [i for i, at in w.acknowledged if mode == "always" or at < killed_at - 1]
                tally.check("%s, kill %d: what was promised is there" % (mode, kill), (due[-1] if due else 0) <= n <= w.sent,
                            "client %s found %d, acknowledged %d, sent %d" % (w.who, n, due[-1] if due else 0, w.sent))
                found[w.who] = n
            for who in r.sample(sorted(found), min(4, len(found))):  # what survived once stays
                tally.equal("%s, kill %d: what survived an earlier kill" % (mode, kill), whole(c, who), found[who])
            c.close()
        print("%s: %d kills, %d transactions survived" % (mode, kills, sum(found.values())), flush=True)


def main():
    tally = harness.Tally()
    seed = long_run("STELE_REDIS_SEED", int(time.time()))
    kills = long_run("STELE_REDIS_KILLS", 4)
    print("seed %d" % seed)
    for mode in ("always", "everysec"):
        run(tally, mode, kills, random.Random("%d%s" % (seed, mode)))
    tally.done()


if __name__ == "__main__":
    main()
