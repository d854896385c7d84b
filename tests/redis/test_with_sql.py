#!/usr/bin/python3
"""Redis and SQL in one transaction: schema redis, STELE.SQL, rows as hashes, changes of tables as streams.

STELE_ATOMIC_SECONDS: how long the readers of the atomicity test run (default 4)."""
import json
import os
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Server, Tally  # noqa: E402
from resp import Conn, Err, Status  # noqa: E402

import psycopg2  # noqa: E402

t = Tally()


def plain(v):
    """Replies as Python values of one kind."""
    if isinstance(v, bytes):
        return v.decode()
    if isinstance(v, tuple):
        tag, value = v
        if tag == "%":
            return {plain(k): plain(x) for k, x in value}
        return value == b"t" if tag == "#" else plain(value)
    if isinstance(v, (list, set)):
        return [plain(x) for x in v]
    if isinstance(v, dict):
        return {plain(k): plain(x) for k, x in v.items()}
    return v


class Redis:
    def __init__(self, server, resp=2):
        self.conn = Conn(server.ports["redis"], timeout=30)
        if resp == 3:
            self.conn.call("HELLO", "3")

    def __call__(self, *args):
        return plain(self.conn.call(*args))

    def pairs(self, *args):
        flat = self(*args)
        return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))


def sql(cursor, text, *params):
    cursor.execute(text, params or None)
    return cursor.fetchall() if cursor.description else cursor.rowcount


def one(cursor, text, *params):
    return sql(cursor, text, *params)[0][0]


def state_of(error):
    return error.pgcode


def functions(server):
    """Functions of schema redis inside transactions, and what other doors see when."""
    r = Redis(server)
    db = server.connect()
    c = db.cursor()
    t.equal("set", one(c, "SELECT redis.set('a', 'one')"), "OK")
    t.equal("own write is seen", one(c, "SELECT redis.get('a')"), "one")
    t.equal("not by others", r("GET", "a"), None)
    db.commit()
    t.equal("at once after the commit", r("GET", "a"), "one")
    sql(c, "SELECT redis.set('a', 'two'), redis.hset('h', 'f', 'v', 'g', 'w'), redis.rpush('l', 'x', 'y'), redis.zadd('z', 1.5, 'm')")
    t.equal("hgetall", sql(c, "SELECT field, value FROM redis.hgetall('h') ORDER BY 1"), [("f", "v"), ("g", "w")])
    t.equal("lrange", sql(c, "SELECT * FROM redis.lrange('l', 0, -1)"), [("x",), ("y",)])
    t.equal("zrange", sql(c, "SELECT * FROM redis.zrange('z', 0, -1)"), [("m", 1.5)])
    db.rollback()
    t.equal("rolled back", (r("GET", "a"), r("EXISTS", "h", "l", "z")), ("one", 0))

    sql(c, "SELECT redis.incr('n')")
    sql(c, "SAVEPOINT s")
    t.equal("incr in the savepoint", one(c, "SELECT redis.incrby('n', 10)"), 11)
    sql(c, "SELECT redis.sadd('only', 'here')")
    sql(c, "ROLLBACK TO SAVEPOINT s")
    t.equal("taken back", (one(c, "SELECT redis.get('n')"), one(c, "SELECT redis.exists('only')")), ("1", 0))
    t.equal("goes on", one(c, "SELECT redis.incr('n')"), 2)
    db.commit()
    t.equal("what was kept", (r("GET", "n"), r("EXISTS", "only")), ("2", 0))

    # A failed statement takes its keys with it (an implicit savepoint in PL/pgSQL, the whole transaction here).
    try:
        sql(c, "SELECT redis.set('gone', 'x'), 1 / (redis.strlen('nothing'))")
        t.check("division by zero", False)
    except psycopg2.Error as e:
        t.equal("division by zero", state_of(e), "22012")
    db.rollback()
    t.equal("nothing of it", r("EXISTS", "gone"), 0)

    db.autocommit = True
    t.equal("command", one(c, "SELECT redis.command('HINCRBY', 'h2', 'count', '5')"), 5)
    t.equal("json", one(c, "SELECT redis.command('HGETALL', 'h2')"), {"count": "5"})
    t.equal("missing is NULL", one(c, "SELECT redis.get('no such key')"), None)
    t.equal("ttl", one(c, "SELECT redis.set('short', 'x', interval '1 hour'); SELECT redis.ttl('short')") in (3600, 3599), True)
    t.equal("other database", (one(c, "SET redis.database = 3; SELECT redis.set('three', 'x')"), r("GET", "three"), r("SELECT", "3"), r("GET", "three")),
            ("OK", None, "OK", "x"))
    sql(c, "RESET redis.database")
    r("SELECT", "0")
    for text, code in [("SELECT redis.lpush('a', 'x')", "42804"), ("SELECT redis.command('FLUSHALL')", "0A000"),
                       ("SELECT redis.command('NOPE', 'x')", "42883"), ("SELECT redis.command('GET')", "22023"),
                       ("SELECT redis.command('EVAL', 'return 1', '0')", "0A000"), ("SELECT redis.incr('a')", "22023"),
                       ("SELECT redis.set('a', 'x') -- READ ONLY", "25006")]:
        try:
            if "READ ONLY" in text:
                sql(c, "SET default_transaction_read_only = on")
            sql(c, text)
            t.check(text, False, "no error")
        except psycopg2.Error as e:
            t.equal(text, state_of(e), code)
            sql(c, "RESET default_transaction_read_only")
    r("RPUSH", "list", "1", "2")
    r("XADD", "st", "1-1", "f", "v")
    t.equal("views", (sql(c, "SELECT key, type FROM redis.keys WHERE db = 0 AND key IN ('a', 'h2') ORDER BY 1"),
                      sql(c, "SELECT value FROM redis.lists WHERE key = 'list' ORDER BY position"),
                      sql(c, "SELECT id, fields FROM redis.streams"),
                      sql(c, "SELECT convert_from(key, 'UTF8'), type FROM redis.db3")),
            ([("a", "string"), ("h2", "hash")], [("1",), ("2",)], [("1-1", {"f": "v"})], [("three", "string")]))
    t.equal("set-based", one(c, "SELECT count(redis.set('row:' || i, i::text)) FROM generate_series(1, 500) i"), 500)
    t.equal("joined", one(c, "SELECT sum(value::int) FROM redis.strings WHERE key LIKE 'row:%'"), 125250)
    db.close()


def conflicts(server):
    """Writers of one key: Redis clients are held back, transactions wait or fail as their isolation says."""
    r, other = Redis(server), Redis(server)
    a, b = server.connect(), server.connect()
    ca, cb = a.cursor(), b.cursor()
    r("SET", "k", "0")
    sql(ca, "SELECT redis.incr('k')")
    got = []
    waiter = threading.Thread(target=lambda: got.append(other("INCR", "k")))
    waiter.start()
    t.equal("reads go on", r("GET", "k"), "0")
    t.equal("others' keys too", r("SET", "free", "1"), "OK")
    waiter.join(0.2)
    t.equal("held back", (waiter.is_alive(), got), (True, []))
    a.commit()
    waiter.join(5)
    t.equal("then goes on", got, [2])

    # Two SQL transactions: the second waits and sees the first.
    sql(ca, "SELECT redis.incr('k')")
    got = []
    waiter = threading.Thread(target=lambda: got.append(one(cb, "SELECT redis.incr('k')")))
    waiter.start()
    waiter.join(0.2)
    t.check("second transaction waits", waiter.is_alive())
    a.rollback()
    waiter.join(5)
    t.equal("and reads what is committed", got, [3])
    b.commit()

    # REPEATABLE READ: one snapshot for both stores, first updater wins.
    a.set_session(isolation_level="REPEATABLE READ")
    t.equal("snapshot", one(ca, "SELECT redis.get('k')"), "3")
    r("SET", "k", "changed")
    r("SET", "new", "x")
    r("DEL", "free")
    t.equal("as of the snapshot", (one(ca, "SELECT redis.get('k')"), one(ca, "SELECT redis.get('new')"), one(ca, "SELECT redis.get('free')")), ("3", None, "1"))
    t.equal("scans too", sql(ca, "SELECT key, value FROM redis.strings WHERE key IN ('k', 'new', 'free') ORDER BY 1"), [("free", "1"), ("k", "3")])
    try:
        sql(ca, "SELECT redis.set('k', 'mine')")
        t.check("first updater wins", False)
    except psycopg2.Error as e:
        t.equal("first updater wins", state_of(e), "40001")
    a.rollback()
    a.set_session(isolation_level="READ COMMITTED")

    # Large collections as of a snapshot: their changes are taken back for the reader.
    for i in range(0, 4000, 500):
        some = range(i, i + 500)
        r("RPUSH", "bl", *(f"item-number-{n}" for n in some))
        r("HSET", "bh", *(x for n in some for x in (f"field{n}", f"value{n}")))
        r("SADD", "bs", *(f"member-number-{n}" for n in some))
        r("ZADD", "bz", *(x for n in some for x in (n, f"member-number-{n}")))
    for n in range(2000):
        r.conn.send("XADD", "bx", f"1-{n + 1}", "field", f"value-of-entry-{n}")
    for n in range(2000):
        r.conn.read()
    a.set_session(isolation_level="REPEATABLE READ")
    looks = """SELECT redis.llen('bl'), redis.lindex('bl', 0), redis.lindex('bl', -1), redis.hlen('bh'), redis.hget('bh', 'field7'), redis.scard('bs'),
               redis.sismember('bs', 'new'), redis.zscore('bz', 'member-number-9'), redis.zcard('bz'), redis.xlen('bx'),
               (SELECT max(id) FROM redis.streams WHERE key = 'bx'), redis.hget('bh', 'field3999')"""
    before = sql(ca, looks)
    t.equal("large ones", before[0][:4], (4000, "item-number-0", "item-number-3999", 4000))
    for command in (("RPUSH", "bl", "r1", "r2"), ("LPUSH", "bl", "l1"), ("LPOP", "bl"), ("LPOP", "bl"), ("RPOP", "bl"), ("HSET", "bh", "field7", "x", "more", "y"),
                    ("HDEL", "bh", "field3999"), ("SADD", "bs", "new", "member-number-3"), ("SREM", "bs", "member-number-5"), ("ZADD", "bz", "5000", "member-number-9", "1", "z"),
                    ("ZINCRBY", "bz", "1", "member-number-1"), ("ZREM", "bz", "member-number-8"), ("XADD", "bx", "2-1", "a", "b"), ("XADD", "bx", "2-2", "a", "b")):
        r(*command)
    t.equal("as of the snapshot", sql(ca, looks), before)
    a.commit()
    t.equal("as they are", sql(ca, looks)[0], (4000, "item-number-1", "r1", 4000, "x", 4000, True, 5000.0, 4000, 2002, "2-2", None))
    a.commit()
    a.set_session(isolation_level="READ COMMITTED")

    # Deadlocks are found.
    sql(ca, "SELECT redis.set('d1', 'a')")
    sql(cb, "SELECT redis.set('d2', 'b')")
    outcome = []

    def second(c, key):
        try:
            sql(c, f"SELECT redis.set('{key}', 'x')")
            outcome.append("ok")
        except psycopg2.Error as e:
            outcome.append(state_of(e))
            c.connection.rollback()
    threads = [threading.Thread(target=second, args=x) for x in ((ca, "d2"), (cb, "d1"))]
    for x in threads:
        x.start()
    for x in threads:
        x.join(20)
    t.equal("deadlock", sorted(outcome), ["40P01", "ok"])
    a.rollback()
    b.rollback()
    sub = Redis(server)
    sub.conn.send("BLPOP", "jobs", "0")
    sql(ca, "SELECT redis.rpush('jobs', 'one')")
    a.commit()
    t.equal("a blocked client is served", plain(sub.conn.read()), ["jobs", "one"])
    r("SET", "w", "1")
    r("WATCH", "w")
    r("MULTI")
    r("INCR", "w")
    sql(ca, "SELECT redis.set('w', '5')")
    a.commit()
    t.equal("WATCH notices", r("EXEC"), None)
    a.close()
    b.close()


def stele_sql(server):
    r, r3 = Redis(server), Redis(server, 3)
    t.equal("ddl", r("STELE.SQL", "CREATE TABLE acc (id int PRIMARY KEY, name text NOT NULL, n float8)"), "CREATE TABLE")
    t.equal("insert", r("STELE.SQL", "INSERT INTO acc VALUES ($1, $2, $3), (2, 'b', NULL)", "1", "a", "1.5"), 2)
    t.equal("RESP2", r("STELE.SQL", "SELECT * FROM acc ORDER BY id"), [["id", 1, "name", "a", "n", "1.5"], ["id", 2, "name", "b", "n", None]])
    t.equal("RESP3", r3("STELE.SQL", "SELECT id, name, id = 1 AS first FROM acc ORDER BY id"),
            [{"id": 1, "name": "a", "first": True}, {"id": 2, "name": "b", "first": False}])
    t.check("error", isinstance(e := r("STELE.SQL", "INSERT INTO acc VALUES (1, 'x')"), Err) and e.startswith("SQL 23505 "), e)
    t.check("no open transaction", r("STELE.SQL", "BEGIN").startswith("SQL 25000"))
    for conn in (r.conn,):  # pipelined: replies stay in order
        for i in range(3):
            conn.send("SET", f"p{i}", i)
            conn.send("STELE.SQL", f"SELECT {i} AS i")
            conn.send("GET", f"p{i}")
        t.equal("in order", [plain(conn.read()) for _ in range(9)],
                [x for i in range(3) for x in ("OK", [["i", i]], str(i))])
    for c in ("MULTI", ):
        r(c)
    r("SET", "cache:1", "fresh")
    r("STELE.SQL", "UPDATE acc SET n = 7 WHERE id = 1")
    r("INCR", "version")
    r("GET", "cache:1")
    t.equal("EXEC", r("EXEC"), ["OK", 1, 1, "fresh"])
    t.equal("both", (r("GET", "cache:1"), r("STELE.SQL", "SELECT n FROM acc WHERE id = 1")), ("fresh", [["n", "7"]]))
    r("MULTI")
    r("SET", "cache:1", "stale")
    r("STELE.SQL", "INSERT INTO acc VALUES (1, 'again')")
    got = r("EXEC")
    t.check("all or nothing", isinstance(got, Err) and got.startswith("EXECABORT") and "23505" in got, got)
    t.equal("nothing", r("GET", "cache:1"), "fresh")
    r("WATCH", "cache:1")
    r3("SET", "cache:1", "other")
    r("MULTI")
    r("STELE.SQL", "DELETE FROM acc")
    t.equal("WATCH broke before", r("EXEC"), None)
    t.equal("rows stay", r("STELE.SQL", "SELECT count(*) FROM acc"), [["count", 2]])
    t.check("scripts", "not allowed" in r("EVAL", "return redis.call('STELE.SQL', 'SELECT 1')", "0"))


def rows_as_hashes(server):
    r, r3 = Redis(server), Redis(server, 3)
    db = server.connect()
    db.autocommit = True
    c = db.cursor()
    r("SET", "productive", "native")
    sql(c, """CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) CHECK (price > 0), stock int DEFAULT 0,
              sku text UNIQUE, active bool) WITH (redis_key = 'product:{id}')""")
    sql(c, "INSERT INTO product (id, name, price, sku) VALUES (1, 'lamp', 12.5, 'L1'), (2, 'desk', 99, 'D1')")
    t.equal("HGETALL", r.pairs("HGETALL", "product:1"), {"id": "1", "name": "lamp", "price": "12.50", "stock": "0", "sku": "L1"})
    t.equal("RESP3 map", r3("HGETALL", "product:2")["name"], "desk")
    reads = [(("HGET", "product:1", "name"), "lamp"), (("HGET", "product:1", "nope"), None), (("HMGET", "product:1", "name", "active", "stock"), ["lamp", None, "0"]),
             (("HEXISTS", "product:1", "sku"), 1), (("HEXISTS", "product:1", "active"), 0), (("HLEN", "product:1"), 5),
             (("HKEYS", "product:1"), ["id", "name", "price", "stock", "sku"]), (("HSTRLEN", "product:1", "name"), 4),
             (("HSCAN", "product:1", "0", "MATCH", "na*"), ["0", ["name", "lamp"]]), (("EXISTS", "product:1", "product:3", "product:2"), 2),
             (("TYPE", "product:1"), "hash"), (("TYPE", "product:3"), "none"), (("TTL", "product:1"), -1), (("TTL", "product:9"), -2), (("PTTL", "product:1"), -1),
             (("OBJECT", "ENCODING", "product:1"), "listpack"), (("HGETALL", "product:07"), []), (("HGETALL", "product:x"), []),
             (("GET", "productive"), "native")]
    for command, expected in reads:
        t.equal(" ".join(command), r(*command), expected)
    t.check("GET", r("GET", "product:1").startswith("WRONGTYPE"))
    sql(c, "UPDATE product SET stock = 5, sku = NULL WHERE id = 1")
    t.equal("never stale", r.pairs("HGETALL", "product:1"), {"id": "1", "name": "lamp", "price": "12.50", "stock": "5"})
    sql(c, "DELETE FROM product WHERE id = 2")
    t.equal("gone", r("EXISTS", "product:2"), 0)
    db.autocommit = False
    sql(c, "UPDATE product SET stock = 6 WHERE id = 1")
    t.equal("not before the commit", r("HGET", "product:1", "stock"), "5")
    db.rollback()
    t.equal("nor after a rollback", r("HGET", "product:1", "stock"), "5")
    db.autocommit = True

    t.equal("HSET", r("HSET", "product:1", "stock", "7", "sku", "L2"), 1)
    t.equal("HSET in SQL", sql(c, "SELECT stock, sku FROM product WHERE id = 1"), [(7, "L2")])
    t.equal("HSET inserts", (r("HSET", "product:5", "name", "chair", "price", "20"), r.pairs("HGETALL", "product:5")),
            (2, {"id": "5", "name": "chair", "price": "20.00", "stock": "0"}))
    t.equal("HINCRBY", (r("HINCRBY", "product:1", "stock", "3"), r("HGET", "product:1", "stock")), (10, "10"))
    t.equal("HSETNX", (r("HSETNX", "product:1", "stock", "1"), r("HSETNX", "product:1", "active", "true"), r("HGET", "product:1", "active")), (0, 1, "t"))
    t.equal("HDEL", (r("HDEL", "product:1", "sku", "active", "nope"), r("HEXISTS", "product:1", "sku")), (2, 0))
    t.equal("HMSET", r("HMSET", "product:1", "sku", "L3"), "OK")
    errors = [(("HSET", "product:1", "stock", "many"), "SQL 22P02"), (("HSET", "product:1", "nope", "1"), "SQL 42703"), (("HDEL", "product:1", "name"), "SQL 23502"),
              (("HSET", "product:1", "price", "-1"), "SQL 23514"), (("HSET", "product:5", "sku", "L3"), "SQL 23505"), (("HSET", "product:6", "price", "1"), "SQL 23502"),
              (("HINCRBY", "product:1", "name", "1"), "ERR hash value is not an integer"),
              (("SET", "product:1", "x"), "ERR the key 'product:1' is a row"), (("EXPIRE", "product:1", "10"), "ERR the key 'product:1' is a row"),
              (("RENAME", "product:1", "x"), "ERR the key 'product:1' is a row"), (("RENAME", "productive", "product:8"), "ERR the key 'product:8' is a row"),
              (("SWAPDB", "0", "1"), "ERR database 0 holds"), (("LPUSH", "product:9", "x"), "ERR the key 'product:9' is a row"),
              (("EVAL", "return redis.call('HSET', KEYS[1], 'stock', 1)", "1", "product:1"), "ERR rows of tables cannot be written from a script")]
    for command, start in errors:
        got = r(*command)
        t.check(" ".join(command), isinstance(got, Err) and got.startswith(start), got)
    t.equal("a script may read", r("EVAL", "return redis.call('HGET', KEYS[1], 'name')", "1", "product:1"), "lamp")
    t.equal("untouched", r.pairs("HGETALL", "product:1"), {"id": "1", "name": "lamp", "price": "12.50", "stock": "10", "sku": "L3"})

    r("SET", "beside", "1")
    found, cursor = set(), "0"
    while True:
        cursor, keys = r("SCAN", cursor, "COUNT", "1")
        found.update(keys)
        if cursor == "0":
            break
    t.check("SCAN", {"product:1", "product:5", "beside"} <= found, found)
    t.equal("KEYS", sorted(r("KEYS", "product:*")), ["product:1", "product:5"])
    r("FLUSHALL")
    t.equal("FLUSHALL spares rows", (r("EXISTS", "beside"), r("HGET", "product:1", "name")), (0, "lamp"))
    t.equal("DEL", (r("SET", "beside", "1"), r("DEL", "product:5", "beside", "product:77"), one(c, "SELECT count(*) FROM product")), ("OK", 2, 1))

    r("MULTI")
    r("HSET", "product:1", "stock", "1")
    r("SET", "seen", "1")
    r("HGET", "product:1", "stock")
    t.equal("MULTI", (r("EXEC"), one(c, "SELECT stock FROM product"), r("GET", "seen")), ([0, "OK", "1"], 1, "1"))
    r("WATCH", "product:1")
    sql(c, "UPDATE product SET stock = 2")
    r("MULTI")
    r("HSET", "product:1", "stock", "9")
    t.equal("WATCH on a row", (r("EXEC"), r("HGET", "product:1", "stock")), (None, "2"))

    r("CONFIG", "SET", "notify-keyspace-events", "KEA")
    sub = Redis(server)
    sub("PSUBSCRIBE", "__keyspace@0__:product:*")
    r3("CLIENT", "TRACKING", "ON")
    r3("HGETALL", "product:1")
    sql(c, "UPDATE product SET stock = 3")
    t.equal("notified", plain(sub.conn.read()), ["pmessage", "__keyspace@0__:product:*", "__keyspace@0__:product:1", "hset"])
    t.equal("invalidated", plain(r3.conn.read()), ["invalidate", ["product:1"]])
    sql(c, "DELETE FROM product")
    t.equal("del", plain(sub.conn.read())[3], "del")

    for text, code in [("CREATE TABLE bad (a int PRIMARY KEY, b text) WITH (redis_key = 'b:{b}')", "22023"),
                       ("CREATE TABLE bad (a int PRIMARY KEY) WITH (redis_key = 'x:{nope}')", "22023"),
                       ("CREATE TABLE bad (a text, b text, PRIMARY KEY (a, b)) WITH (redis_key = 'x:{a}:{b}')", "22023"),
                       ("CREATE TABLE bad (a int PRIMARY KEY) WITH (redis_key = 'prod{a}')", "42710")]:
        try:
            sql(c, text)
            t.check(text, False)
        except psycopg2.Error as e:
            t.equal(text, state_of(e), code)
    sql(c, "CREATE TABLE line (doc text, n int, what text, PRIMARY KEY (doc, n)) WITH (redis_key = 'line:{doc}:{n}')")
    sql(c, "INSERT INTO line VALUES ('a:b', 1, 'x'), ('a', 2, 'y')")
    t.equal("composite keys", (r.pairs("HGETALL", "line:a:b:1"), r("HGET", "line:a:2", "what")), ({"doc": "a:b", "n": "1", "what": "x"}, "y"))
    db.close()


def changes(server):
    r = Redis(server)
    db = server.connect()
    c = db.cursor()
    sql(c, "CREATE TABLE ord (id int PRIMARY KEY, v text) WITH (redis_changes = true)")
    db.commit()
    sql(c, "INSERT INTO ord VALUES (1, 'a'), (2, 'b')")
    sql(c, "UPDATE ord SET v = 'c' WHERE id = 2")
    db.commit()
    sql(c, "INSERT INTO ord VALUES (3, 'never')")
    db.rollback()
    sql(c, "DELETE FROM ord WHERE id = 1")
    db.commit()
    entries = r("XRANGE", "changes:ord", "-", "+")
    shown = [(f[1], {k: json.loads(v) for k, v in zip(f[2::2], f[3::2])}) for _, f in entries]
    t.equal("changes", shown, [("insert", {"new": {"id": 1, "v": "a"}}), ("insert", {"new": {"id": 2, "v": "b"}}),
                               ("update", {"old": {"id": 2, "v": "b"}, "new": {"id": 2, "v": "c"}}), ("delete", {"old": {"id": 1, "v": "a"}})])
    ids = [e[0].split("-") for e in entries]
    t.equal("one lsn a commit", (ids[0][0] == ids[2][0] < ids[3][0], [i[1] for i in ids]), (True, ["1", "2", "3", "1"]))
    sub = Redis(server)
    sub.conn.send("XREAD", "BLOCK", "0", "STREAMS", "changes:ord", "$")
    r("PING")
    sql(c, "TRUNCATE ord")
    db.commit()
    t.equal("XREAD BLOCK", plain(sub.conn.read())[0][1][0][1], ["op", "truncate"])
    t.equal("groups", (r("XGROUP", "CREATE", "changes:ord", "g", "0"), len(r("XREADGROUP", "GROUP", "g", "me", "COUNT", "2", "STREAMS", "changes:ord", ">")[0][1])), ("OK", 2))
    for command in (("XADD", "changes:ord", "*", "a", "b"), ("DEL", "changes:ord"), ("RENAME", "changes:ord", "x")):
        got = r(*command)
        t.check(" ".join(command), isinstance(got, Err) and "holds the changes of table" in got, got)
    r("FLUSHALL")
    t.equal("FLUSHALL spares it", r("XLEN", "changes:ord"), 5)
    db.close()
    return r("XRANGE", "changes:ord", "-", "+")


def atomic(server):
    """An SQL transaction updates a row, deletes its cache key and adds to a stream, with readers on both doors in a
    tight loop: no reader ever sees one without the other."""
    r = Redis(server)
    setup = server.connect()
    setup.autocommit = True
    c = setup.cursor()
    sql(c, "CREATE TABLE item (id int PRIMARY KEY, v int) WITH (redis_key = 'item:{id}', redis_changes = false)")
    sql(c, "INSERT INTO item VALUES (1, 0)")
    sql(c, "SELECT redis.set('cache', '0')")
    seconds = float(os.environ.get("STELE_ATOMIC_SECONDS", "4"))
    stop = time.monotonic() + seconds
    wrong, reads, writes = [], [0], [0]

    def writer():
        db = server.connect()
        cur = db.cursor()
        while time.monotonic() < stop:
            # First the cache goes with the row's change; then a reader's fill puts the new value there.
            sql(cur, "UPDATE item SET v = v + 1")
            sql(cur, "SELECT redis.del('cache'), redis.xadd('log', 'v', (SELECT v FROM item)::text)")
            db.commit()
            sql(cur, "SELECT redis.set('cache', (SELECT v FROM item)::text)")
            db.commit()
            writes[0] += 1
        db.close()

    def compare(where, v, cache, length):
        reads[0] += 1
        if int(v) != int(length) or (cache is not None and int(cache) != int(v)):
            wrong.append((where, v, cache, length))

    def redis_reader():
        mine = Redis(server)
        while time.monotonic() < stop:
            mine.conn.raw(b"MULTI\r\nHGET item:1 v\r\nGET cache\r\nXLEN log\r\nEXEC\r\n")
            for _ in range(4):
                mine.conn.read()
            compare("redis", *plain(mine.conn.read()))

    def sql_reader(text, isolation=None):
        db = server.connect()
        if isolation:
            db.set_session(isolation_level=isolation)
        else:
            db.autocommit = True
        cur = db.cursor()
        while time.monotonic() < stop:
            if isolation:
                v = one(cur, "SELECT v FROM item")
                cache = one(cur, "SELECT redis.get('cache')")
                length = one(cur, "SELECT redis.xlen('log')")
                db.commit()
            else:
                v, cache, length = sql(cur, text)[0]
            compare(isolation or "sql", v, cache, length)
        db.close()

    def mixed_reader():
        mine = Redis(server)
        while time.monotonic() < stop:
            rows = mine("STELE.SQL", "SELECT v, redis.get('cache') AS c, redis.xlen('log') AS n FROM item")
            compare("stele.sql", rows[0][1], rows[0][3], rows[0][5])

    threads = [threading.Thread(target=f, args=a) for f, a in (
        (writer, ()), (redis_reader, ()), (redis_reader, ()), (mixed_reader, ()),
        (sql_reader, ("SELECT v, redis.get('cache'), redis.xlen('log') FROM item",)),
        (sql_reader, ("", "REPEATABLE READ")))]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    t.check(f"no reader saw half of {writes[0]} transactions in {reads[0]} reads", not wrong and reads[0] > 50 and writes[0] > 5, wrong[:5])
    print(f"atomicity: {writes[0]} transactions, {reads[0]} reads on both doors, {len(wrong)} torn")
    setup.close()


def crash(server, entries):
    """Kill under load: row, key and stream tell the same story afterwards; the stream of changes goes on where it was."""
    db = server.connect()
    c = db.cursor()
    acknowledged = [0]

    def load():
        try:
            while True:
                sql(c, "UPDATE item SET v = v + 1")
                sql(c, "SELECT redis.set('mirror', (SELECT v FROM item)::text), redis.xadd('log', 'v', (SELECT v FROM item)::text)")
                v = one(c, "SELECT v FROM item")
                db.commit()
                acknowledged[0] = v
        except psycopg2.Error:
            pass
    x = threading.Thread(target=load)
    x.start()
    deadline = time.monotonic() + 20
    while acknowledged[0] < 50 and time.monotonic() < deadline:
        time.sleep(0.002)
    server.kill()
    x.join()
    server.start()
    r = Redis(server)
    db = server.connect()
    c = db.cursor()
    v = one(c, "SELECT v FROM item")
    t.check("nothing acknowledged is lost", acknowledged[0] > 0 and v in (acknowledged[0], acknowledged[0] + 1), (acknowledged, v))
    t.equal("both or neither", (r("GET", "mirror"), r("XLEN", "log"), r("HGET", "item:1", "v")), (str(v), v, str(v)))
    t.equal("the stream of changes is what it was", r("XRANGE", "changes:ord", "-", "+"), entries)
    sql(c, "INSERT INTO ord VALUES (9, 'z')")
    db.commit()
    later = r("XREAD", "STREAMS", "changes:ord", entries[-1][0])[0][1]
    t.equal("and resumes", [(e[1][1], json.loads(e[1][3])) for e in later], [("insert", {"id": 9, "v": "z"})])
    db.close()


with Server(doors=("postgres", "redis")) as server:
    t.run("functions", functions, server)
    t.run("conflicts", conflicts, server)
    t.run("STELE.SQL", stele_sql, server)
    t.run("rows as hashes", rows_as_hashes, server)
    kept = []
    t.run("changes", lambda: kept.extend(changes(server)))
    t.run("atomic", atomic, server)
    t.run("crash", lambda: crash(server, kept))
    t.check("the server lives", server.alive(), server.output()[-2000:])
t.done()
