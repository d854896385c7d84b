#!/usr/bin/env python3
"""One set of queries under many planner settings and memory limits: every plan gives the same rows.

Also shown here: what spills really spills, the column cache never shows a stale row, introspection is fast,
READ COMMITTED looks at keys again, and WITH in a correlated subquery is made anew for each row.
"""
import asyncio
import json
import pathlib
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

TABLES = """
CREATE TABLE a (id int PRIMARY KEY, g int, h text, n numeric(12,2), d date);
CREATE TABLE b (id int PRIMARY KEY, a_id int, g int, v float8);
CREATE TABLE c (k text, a_id int, w int);
INSERT INTO a SELECT i, i % 17, CASE WHEN i % 11 = 0 THEN NULL ELSE 'h' || i % 23 END, (i * 37 % 1000) / 8.0, date '2020-01-01' + i % 400 FROM generate_series(1, 900) i;
INSERT INTO b SELECT i, CASE WHEN i % 13 = 0 THEN NULL ELSE i * 7 % 1100 END, i % 5, i / 3.0 FROM generate_series(1, 1200) i;
INSERT INTO c SELECT 'k' || i % 50, i * 3 % 1000, i FROM generate_series(1, 500) i;
CREATE INDEX ON b (a_id); CREATE INDEX ON c (k, w); CREATE INDEX ON a (g, d);
ANALYZE;
"""
QUERIES = [
    "SELECT a.g, count(*), sum(b.v) FROM a JOIN b ON a.id = b.a_id GROUP BY a.g",
    "SELECT a.id, b.id, c.w FROM a JOIN b ON a.id = b.a_id JOIN c ON c.a_id = a.id AND c.w > b.g WHERE a.g = 3",
    "SELECT a.id, b.id FROM a LEFT JOIN b ON a.id = b.a_id AND b.g = 2 WHERE a.g IN (1, 2)",
    "SELECT a.id, b.id FROM a RIGHT JOIN b ON a.id = b.a_id AND a.g < 4",
    "SELECT a.id, b.id FROM a FULL JOIN b ON a.id = b.a_id",
    "SELECT a.id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id AND b.g <> a.g % 5)",
    "SELECT a.id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id)",
    "SELECT id FROM a WHERE id IN (SELECT a_id FROM b WHERE g = 1)",
    "SELECT b.id FROM b WHERE a_id IN (SELECT id FROM a WHERE n > 50) AND g IN (SELECT g FROM a WHERE d < '2020-02-01')",
    "SELECT id FROM a WHERE id NOT IN (SELECT a_id FROM b WHERE a_id IS NOT NULL)",
    "SELECT id FROM a WHERE id NOT IN (SELECT a_id FROM b)",
    "SELECT id, (SELECT max(v) FROM b WHERE b.a_id = a.id) FROM a WHERE g = 5",
    "SELECT id FROM a WHERE n > (SELECT avg(n) FROM a x WHERE x.g = a.g)",
    "SELECT g, h, count(*), sum(n), min(d), max(d), avg(n) FROM a GROUP BY g, h",
    "SELECT h, count(DISTINCT g), string_agg(g::text, ',' ORDER BY id) FROM a GROUP BY h",
    "SELECT g, h, grouping(g, h), count(*) FROM a GROUP BY ROLLUP (g, h)",
    "SELECT g, h, d, count(*) FROM a WHERE g < 3 GROUP BY CUBE (g, h, d)",
    "SELECT g, h, count(*) FROM a GROUP BY GROUPING SETS ((g), (h), (), (g, h)) HAVING count(*) > 20",
    "SELECT DISTINCT g, h FROM a",
    "SELECT DISTINCT ON (g) g, id, n FROM a ORDER BY g, n DESC, id",
    "SELECT g FROM a UNION SELECT g FROM b", "SELECT g FROM a EXCEPT SELECT g FROM b", "SELECT g FROM a INTERSECT ALL SELECT g FROM b",
    "SELECT * FROM (SELECT id, n FROM a ORDER BY n DESC, id LIMIT 20 OFFSET 5) x",
    "SELECT * FROM a ORDER BY h NULLS FIRST, d DESC, id LIMIT 50",
    "SELECT x.g, y.id FROM (SELECT DISTINCT g FROM a) x, LATERAL (SELECT id FROM b WHERE b.g = x.g ORDER BY v DESC LIMIT 2) y",
    "SELECT a.id, c.w FROM a, c WHERE (a.g = 1 AND c.w < 10 AND a.id = c.a_id) OR (a.g = 2 AND c.w BETWEEN 100 AND 200 AND a.id = c.a_id)",
    "WITH RECURSIVE r(n, s) AS (SELECT 1, 1 UNION ALL SELECT n + 1, s + n FROM r WHERE n < 200) SELECT a.id, r.s FROM r JOIN a ON a.id = r.s",
    "SELECT id, (WITH w AS MATERIALIZED (SELECT a.id + 1 AS x) SELECT sum(p.x * q.x) FROM w p, w q) FROM a WHERE id < 40",
    "SELECT d, count(*) FROM a WHERE d >= '2020-03-01' AND d < '2020-04-01' AND n BETWEEN 10 AND 90 GROUP BY d",
]
FRAMES = [f"{mode} BETWEEN {start} AND {end}{exclude}"
          for mode in ("ROWS", "RANGE", "GROUPS")
          for start, end in (("UNBOUNDED PRECEDING", "CURRENT ROW"), ("1 PRECEDING", "1 FOLLOWING"), ("CURRENT ROW", "UNBOUNDED FOLLOWING"),
                             ("2 PRECEDING", "1 PRECEDING"), ("1 FOLLOWING", "2 FOLLOWING"), ("UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING"))
          for exclude in ("", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES")]
SETTINGS = ["", "SET enable_hashjoin = off", "SET enable_mergejoin = off; SET enable_nestloop = off", "SET enable_hashjoin = off; SET enable_mergejoin = off",
            "SET enable_seqscan = off", "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off", "SET enable_hashagg = off",
            "SET enable_sort = off", "SET work_mem = '64kB'", "SET work_mem = '64kB'; SET enable_hashagg = off; SET enable_hashjoin = off"]


def rows(connection, sql):
    c = connection.cursor()
    c.execute(sql)
    return c.fetchall()


def canonical(result):
    # Sums of floats depend on the order of addition.
    return sorted((tuple(round(x, 6) if isinstance(x, float) else x for x in r) for r in result), key=repr)


def frame_members(keys, at, frame):
    """Positions in the frame of row `at` of a partition sorted by its integer keys: the definition, spelled out."""
    mode, rest = frame.split(" ", 1)
    bounds, _, exclude = rest.partition(" EXCLUDE ")
    start, end = bounds.removeprefix("BETWEEN ").split(" AND ")
    groups = sorted(set(keys))
    place = {"ROWS": list(range(len(keys))), "RANGE": keys, "GROUPS": [groups.index(k) for k in keys]}[mode]

    def bound(text, default):
        if text.startswith("UNBOUNDED"):
            return default
        if text == "CURRENT ROW":
            return place[at]
        n, direction = text.split()
        return place[at] + (int(n) if direction == "FOLLOWING" else -int(n))
    low, high = bound(start, float("-inf")), bound(end, float("inf"))
    out = [i for i in range(len(keys)) if low <= place[i] <= high]
    if exclude == "CURRENT ROW":
        out = [i for i in out if i != at]
    elif exclude == "GROUP":
        out = [i for i in out if keys[i] != keys[at]]
    elif exclude == "TIES":
        out = [i for i in out if keys[i] != keys[at] or i == at]
    return out


def test_settings(t, connection):
    expected = {}
    for settings in SETTINGS:
        rows_of = connection.cursor()
        rows_of.execute("RESET ALL")
        if settings:
            rows_of.execute(settings)
        for q in QUERIES:
            got = canonical(rows(connection, q))
            t.equal(f"{settings or 'defaults'}: {q}", got, expected.setdefault(q, got))
    connection.cursor().execute("RESET ALL")


def test_frames(t, connection):
    connection.cursor().execute("CREATE TEMP TABLE f (p int, k int, v int); INSERT INTO f SELECT i % 3, i * i % 7, i FROM generate_series(1, 40) i")
    data = sorted(rows(connection, "SELECT p, k, v FROM f"))
    for frame in FRAMES:
        got = {v: (s, n) for v, s, n in rows(connection, f"SELECT v, sum(v) OVER w, count(*) OVER w FROM f WINDOW w AS (PARTITION BY p ORDER BY k, v {frame})"
                                             if frame.startswith("ROWS") else f"SELECT v, sum(v) OVER w, count(*) OVER w FROM f WINDOW w AS (PARTITION BY p ORDER BY k {frame})")}
        want = {}
        for p in range(3):
            part = [(k, v) for q, k, v in data if q == p]
            keys = [(k, v) if frame.startswith("ROWS") else k for k, v in part]
            if frame.startswith("ROWS"):
                keys = list(range(len(part)))
            for i, (_, v) in enumerate(part):
                members = frame_members(keys, i, frame)
                want[v] = (sum(part[m][1] for m in members) if members else None, len(members))
        t.equal(f"frame {frame}", got, want)


def test_spill(t, connection):
    c = connection.cursor()
    c.execute("CREATE TABLE wide AS SELECT i, i % 20000 AS g, repeat('x', 40) || i AS t FROM generate_series(1, 60000) i; ANALYZE wide; SET work_mem = '256kB'")

    def nodes(sql):
        plan = rows(connection, "EXPLAIN (ANALYZE, FORMAT JSON) " + sql)[0][0]
        stack, out = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]], []
        while stack:
            n = stack.pop()
            out.append(n)
            stack += n.get("Plans", [])
        return out
    sort = [n for n in nodes("SELECT * FROM wide ORDER BY t") if n["Node Type"] == "Sort"]
    t.check("sort spills", sort and sort[0]["Sort Space Type"] == "Disk", sort)
    text = "\n".join(r[0] for r in rows(connection, "EXPLAIN ANALYZE SELECT t, count(*) FROM wide GROUP BY t"))
    c.execute("SET enable_sort = off")
    text += "\n".join(r[0] for r in rows(connection, "EXPLAIN ANALYZE SELECT t, count(*) FROM wide GROUP BY t"))
    t.check("hash aggregation spills", "Batches: 1 " not in text.split("HashAggregate")[-1] and "Batches:" in text, text)
    c.execute("RESET enable_sort; SET enable_mergejoin = off; SET enable_nestloop = off")
    text = "\n".join(r[0] for r in rows(connection, "EXPLAIN ANALYZE SELECT count(*) FROM wide x JOIN wide y USING (t)"))
    t.check("hash join spills", "Batches: 1 " not in text and "Batches:" in text, text)
    t.equal("spilled join", rows(connection, "SELECT count(*), sum(x.i) FROM wide x JOIN wide y USING (t)"), [(60000, 60000 * 60001 // 2)])
    t.equal("spilled groups", rows(connection, "SELECT count(*), sum(n) FROM (SELECT t, count(*) n FROM wide GROUP BY t) s"), [(60000, 60000)])
    c.execute("RESET ALL")


def test_columns_follow_changes(t, server):
    """Scans repeated until they come from columns in memory, with writers between and beside them."""
    one, two = server.connect(), server.connect()
    one.autocommit = two.autocommit = True
    a, b = one.cursor(), two.cursor()
    a.execute("CREATE TABLE cached (id int PRIMARY KEY, v int, s text); INSERT INTO cached SELECT i, i, 's' || i FROM generate_series(1, 5000) i")
    total = 5000 * 5001 // 2
    query = "SELECT sum(v), count(*), count(DISTINCT s) FROM cached"
    for step in range(8):
        for _ in range(4):
            t.equal(f"cached scan {step}", rows(one, query)[0][:2], (total, 5000))
        b.execute("UPDATE cached SET v = v + 1 WHERE id = %s", (step + 1,))
        total += 1
        t.equal(f"after a change {step}", rows(one, query)[0][:2], (total, 5000))
    # An older snapshot goes on seeing what it saw.
    one.autocommit = False
    one.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    for step in range(3):
        t.equal(f"old snapshot {step}", rows(one, query)[0][0], total)
        b.execute("UPDATE cached SET v = v + 1 WHERE id = 7")
        t.equal(f"new snapshot {step}", rows(two, query)[0][0], total + step + 1)
    one.rollback()
    total += 3
    # Own changes are seen, rolled back ones are not.
    a = one.cursor()
    for _ in range(3):
        a.execute("UPDATE cached SET v = 0 WHERE id <= 2")
        inside = rows(one, query)[0][0]
        one.rollback()
        t.check("own changes are seen", inside < total)
        t.equal("and taken back", rows(one, query)[0][0], total)
        one.rollback()
    a.execute("TRUNCATE cached")
    one.commit()
    t.equal("truncated", rows(one, query)[0][:2], (None, 0))
    one.rollback()
    stop, wrong = threading.Event(), []
    b.execute("INSERT INTO cached SELECT i, 100, '' FROM generate_series(1, 1000) i")

    def transfer():
        w = server.connect()
        c, i = w.cursor(), 0
        while not stop.is_set():
            i += 1
            c.execute("UPDATE cached SET v = v - 1 WHERE id = %s", (i % 1000 + 1,))
            c.execute("UPDATE cached SET v = v + 1 WHERE id = %s", (i * 7 % 1000 + 1,))
            w.commit()
            if i % 5 == 0:
                time.sleep(0.003)   # lets scans find the table unchanged now and then
        w.close()
    writer = threading.Thread(target=transfer)
    writer.start()
    one.autocommit = True
    for _ in range(400):
        s = rows(one, query)[0][0]
        if s != 100000:
            wrong.append(s)
    stop.set()
    writer.join()
    t.equal("sums under writes", wrong, [])


def test_recheck(t, server):
    one, two = server.connect(), server.connect()
    a, b = one.cursor(), two.cursor()
    a.execute("CREATE TABLE moved (id int PRIMARY KEY, v int, t text); CREATE INDEX ON moved (v); INSERT INTO moved SELECT i, i, 'x' FROM generate_series(1, 2000) i; ANALYZE moved")
    one.commit()
    for change, statement, expected in (
            ("UPDATE moved SET id = 5001 WHERE id = 1", "UPDATE moved SET t = 'seen' WHERE id = 1", 0),
            ("UPDATE moved SET v = -5 WHERE id = 2", "UPDATE moved SET t = 'seen' WHERE v = 2", 0),
            ("UPDATE moved SET v = -6 WHERE id = 3", "DELETE FROM moved WHERE v = 3", 0),
            ("UPDATE moved SET t = 'y' WHERE id = 4", "UPDATE moved SET t = t || 'seen' WHERE v = 4", 1),
            ("UPDATE moved SET v = -7 WHERE id = 5", "UPDATE moved m SET t = 'seen' FROM generate_series(5, 5) g WHERE m.v = g", 0)):
        a.execute(change)
        waiting = threading.Thread(target=lambda: b.execute(statement))
        waiting.start()
        probe = server.connect()
        while not rows(probe, "SELECT 1 FROM pg_locks WHERE NOT granted") and waiting.is_alive():
            probe.rollback()
        one.commit()
        waiting.join()
        t.equal(f"{statement} after {change}", b.rowcount, expected)
        two.rollback()
        probe.close()
    one.close()
    two.close()


def test_introspection(t, server, connection):
    c = connection.cursor()
    c.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE TYPE pair AS (x mood, y int[]); CREATE TABLE moods (id int, m mood, p pair)")
    c.execute("INSERT INTO moods VALUES (1, 'ok', ROW('sad', '{1,2}'))")

    async def fetch():
        import asyncpg
        times = []
        for _ in range(3):
            con = await asyncpg.connect(host="127.0.0.1", port=server.ports["postgres"], user="postgres", database="stele")
            started = time.monotonic()
            row = await con.fetchrow("SELECT m FROM moods")
            times.append(time.monotonic() - started)
            await con.close()
        return row, min(times)
    row, took = asyncio.run(fetch())
    t.equal("asyncpg enum", row["m"], "ok")
    t.check("asyncpg introspects in milliseconds", took < 0.25, f"{took:.3f} s")
    for sql in ("SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'moods' AND a.attnum > 0",
                "SELECT n.nspname, c.relname, i.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'a'",
                "SELECT t.typname, e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.typname = 'mood' ORDER BY e.enumsortorder"):
        got = rows(connection, sql)
        started = time.monotonic()
        again = rows(connection, sql)
        took = time.monotonic() - started
        t.check(f"{sql[:40]}: rows", got == again and len(got) > 0, got)
        t.check(f"{sql[:40]}: fast", took < 0.25, f"{took:.3f} s")
        plan = "\n".join(r[0] for r in rows(connection, "EXPLAIN (COSTS OFF) " + sql))
        t.check(f"{sql[:40]}: by index", "Index Scan using pg_" in plan, plan)
    # DDL of this transaction shows at once.
    connection.autocommit = False
    c = connection.cursor()
    c.execute("CREATE TABLE uncommitted_table (x int)")
    t.equal("own DDL is seen", rows(connection, "SELECT count(*) FROM pg_class WHERE relname = 'uncommitted_table'"), [(1,)])
    connection.rollback()
    t.equal("and taken back", rows(connection, "SELECT count(*) FROM pg_class WHERE relname = 'uncommitted_table'"), [(0,)])
    connection.rollback()
    connection.autocommit = True


def main():
    t = harness.Tally()
    with harness.Server() as server:
        connection = server.connect()
        connection.autocommit = True
        connection.cursor().execute(TABLES)
        t.run("settings", test_settings, t, connection)
        t.run("frames", test_frames, t, connection)
        t.run("spill", test_spill, t, connection)
        t.run("columns", test_columns_follow_changes, t, server)
        t.run("recheck", test_recheck, t, server)
        t.run("introspection", test_introspection, t, server, connection)
    t.done()


if __name__ == "__main__":
    main()
