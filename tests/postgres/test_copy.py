#!/usr/bin/env python3
"""COPY of many rows takes sorted files instead of the write set: what others see of it, rollback, errors, a crash."""
import io
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
from harness import Server, Tally  # noqa: E402

ROWS = 60_000
TABLE = "(id int PRIMARY KEY, grp int, pad text CHECK (pad <> ''), twice int GENERATED ALWAYS AS (grp * 2) STORED, d int DEFAULT 7)"


def data(first=1, rows=ROWS, extra=""):
    return "".join(f"{i}\t{i % 10}\t{'x' * 20}\n" for i in range(first, first + rows)) + extra


def copy(cursor, table, text):
    cursor.copy_expert(f"COPY {table} (id, grp, pad) FROM STDIN", io.StringIO(text))


def one(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchone()[0]


def connect(server, autocommit=True):
    c = server.connect()
    c.autocommit = autocommit
    return c


def whole(t, cursor, name, table, rows=ROWS):
    t.equal(f"{name}: rows", one(cursor, f"SELECT count(*) FROM {table}"), rows)
    t.equal(f"{name}: by the primary key", one(cursor, f"SELECT sum(grp) FROM {table} WHERE id IN (1, 11, 25, 59999, 70000)"), 1 + 1 + 5 + 9)
    t.equal(f"{name}: by an index", one(cursor, f"SELECT count(*) FROM {table} WHERE grp = 3"), rows // 10)
    t.equal(f"{name}: computed columns", one(cursor, f"SELECT count(*) FROM {table} WHERE twice = grp * 2 AND d = 7"), rows)


def visibility(t, server):
    a, b = connect(server), connect(server)
    old = connect(server, False)
    ca, cb, co = a.cursor(), b.cursor(), old.cursor()
    ca.execute(f"CREATE TABLE v {TABLE}; CREATE INDEX ON v (grp)")
    co.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    t.equal("an old snapshot begins", one(co, "SELECT count(*) FROM v"), 0)
    seen = []

    class Slow(io.StringIO):
        """Looks at the table from another session while its own data is on the way."""
        def read(self, size=-1):
            if self.tell() > 900_000 and len(seen) < 3:
                seen.append(one(cb, "SELECT count(*) FROM v"))
            return super().read(size)
    ca.copy_expert("COPY v (id, grp, pad) FROM STDIN", Slow(data()))
    t.equal("readers see the empty table meanwhile", seen, [0, 0, 0])
    whole(t, cb, "after the commit", "v")
    t.equal("the old snapshot still sees nothing", one(co, "SELECT count(*) FROM v"), 0)
    old.commit()
    t.equal("and then everything", one(co, "SELECT count(*) FROM v"), ROWS)
    old.commit()
    # The table goes on like any other.
    cb.execute("INSERT INTO v (id, grp, pad) VALUES (0, 3, 'y'); UPDATE v SET grp = 4 WHERE id = 1; DELETE FROM v WHERE id = 2")
    t.equal("later changes", one(ca, "SELECT count(*) FROM v WHERE grp = 4"), ROWS // 10 + 1)
    copy(cb, "v", data(ROWS + 1, 30_000))
    t.equal("a second load", one(ca, "SELECT count(*) FROM v"), ROWS + 30_000)
    for c in (a, b, old):
        c.close()


def rollback(t, server):
    a = connect(server, False)
    c = a.cursor()
    c.execute(f"CREATE TABLE r {TABLE}; INSERT INTO r (id, grp, pad) VALUES (1, 1, 'old')")
    a.commit()
    c.execute("TRUNCATE r")
    copy(c, "r", data())
    t.equal("seen by its own transaction", one(c, "SELECT count(*) FROM r WHERE id > 10"), ROWS - 10)
    a.rollback()
    t.equal("rolled back", one(c, "SELECT string_agg(pad, ',') FROM r"), "old")
    a.commit()
    c.execute("TRUNCATE r; SAVEPOINT s")
    copy(c, "r", data())
    c.execute("ROLLBACK TO s")
    t.equal("rolled back to a savepoint", one(c, "SELECT count(*) FROM r"), 0)
    copy(c, "r", data())
    a.commit()
    t.equal("loaded after it", one(c, "SELECT count(*) FROM r WHERE id <= 100"), 100)
    a.commit()
    a.close()


def errors(t, server):
    import psycopg2
    a = connect(server)
    c = a.cursor()
    c.execute(f"CREATE TABLE e {TABLE}")
    for name, extra, code, text in (("a double key", "77\t1\tx\n", "23505", "Key (id)=(77) already exists."),
                                    ("a check", "999999\t1\t\n", "23514", "e_pad_check"),
                                    ("bad input", "999999\tone\tx\n", "22P02", f"COPY e, line {ROWS + 1}, column grp: \"one\""),
                                    ("a missing column", "999999\n", "22P04", "missing data for column \"grp\"")):
        try:
            copy(c, "e", data(extra=extra))
            t.check(name, False, "no error")
        except psycopg2.Error as e:
            t.equal(f"{name}: code", e.pgcode, code)
            t.check(f"{name}: message", text in str(e), str(e))
        t.equal(f"{name}: nothing is left", one(c, "SELECT count(*) FROM e"), 0)
    # A writer in between keeps the load on the ordinary way; nobody loses a row.
    b = connect(server, False)
    cb = b.cursor()
    cb.execute("INSERT INTO e (id, grp, pad) VALUES (-1, 1, 'b')")
    done = threading.Thread(target=copy, args=(c, "e", data()))
    done.start()
    done.join(60)
    t.check("a load beside a writer does not wait", not done.is_alive())
    b.commit()
    t.equal("both are there", one(c, "SELECT count(*) FROM e"), ROWS + 1)
    a.close()
    b.close()


def crash(t, server):
    a, b = connect(server), connect(server, False)
    c, cb = a.cursor(), b.cursor()
    c.execute(f"CREATE TABLE k1 {TABLE}; CREATE INDEX ON k1 (grp); CREATE TABLE k2 {TABLE}; INSERT INTO k2 (id, grp, pad) VALUES (5, 5, 'kept')")
    copy(c, "k1", data())
    cb.execute("TRUNCATE k2")
    copy(cb, "k2", data())
    server.kill()
    server.start()
    a = connect(server)
    c = a.cursor()
    whole(t, c, "after a crash", "k1")
    t.equal("an unfinished load is gone", one(c, "SELECT string_agg(pad, ',') FROM k2"), "kept")
    c.execute("UPDATE k1 SET grp = 11 WHERE id = 1")
    a.close()
    server.stop()
    checked = subprocess.run([harness.SERVER, "check", "-D", str(server.data / "db")], capture_output=True, text=True)
    t.equal("stele check", checked.returncode, 0)
    server.start()
    t.equal("after a restart", one(connect(server).cursor(), "SELECT sum(grp) FROM k1 WHERE id < 3"), 13)


def main():
    t = Tally()
    with Server(doors=("postgres",)) as server:
        for part in (visibility, rollback, errors, crash):
            t.run(part.__name__, part, t, server)
    t.done()


if __name__ == "__main__":
    main()
