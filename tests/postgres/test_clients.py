#!/usr/bin/env python3
"""psql, npm pg, psycopg2, asyncpg and SQLAlchemy against one server."""
import asyncio
import datetime
import decimal
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402


def psql(server, *commands, check=True):
    arguments = ["psql", "-X", "-h", "127.0.0.1", "-p", str(server.ports["postgres"]), "-U", "postgres", "-d", "stele", "-v", "ON_ERROR_STOP=1"]
    for c in commands:
        arguments += ["-c", c]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def test_psql(server):
    psql(server, "CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'nobody', age int CHECK (age > 0))",
         "CREATE INDEX people_name ON people (name)", "CREATE VIEW adults AS SELECT * FROM people WHERE age >= 18",
         "CREATE TABLE pets (id int PRIMARY KEY, owner int REFERENCES people ON DELETE CASCADE)",
         "COMMENT ON TABLE people IS 'everyone'", "CREATE ROLE reader", "GRANT SELECT ON people TO reader")
    expected = {
        r"\d": ["people", "pets", "adults", "people_id_seq"],
        r"\d people": ["nextval('people_id_seq'::regclass)", '"people_pkey" PRIMARY KEY, btree (id)', '"people_name" btree (name)',
                       "CHECK (age > 0)", 'TABLE "pets" CONSTRAINT "pets_owner_fkey" FOREIGN KEY (owner) REFERENCES people(id) ON DELETE CASCADE'],
        r"\d+ people": ["Storage", "plain", "extended"],
        r"\d+ adults": ["View definition:", "WHERE people.age >= 18"],
        r"\d people_name": ["btree", "people"],
        r"\dt+": ["people", "everyone", "table", "permanent"],
        r"\di": ["people_pkey", "people_name", "pets_pkey"],
        r"\dv": ["adults"],
        r"\ds": ["people_id_seq"],
        r"\df lower": ["pg_catalog", "lower", "text"],
        r"\dn": ["public", "postgres"],
        r"\dn+": ["public"],
        r"\du": ["postgres", "Superuser", "reader"],
        r"\l": ["stele", "UTF8", "C.UTF-8"],
        r"\dp people": ["reader=r/postgres"],
        r"\dT": [],
        r"\dx": ["plpgsql"],
        r"\do ||": ["text"],
        r"\da sum": ["numeric"],
        r"\dC": ["integer"],
        r"\db": ["pg_default"],
        r"\dL": ["plpgsql"],
        r"\dO": [],
        r"\conninfo": ["connected to database"],
        r"\encoding": ["UTF8"],
    }
    for command, parts in expected.items():
        out = psql(server, command)
        for part in parts:
            assert part in out, f"{command}: {part!r} is not in\n{out}"
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as f:
        f.write("name,age\nann,30\n\"b, c\",5\n")
        f.flush()
        psql(server, rf"\copy people (name, age) FROM '{f.name}' CSV HEADER")
    assert psql(server, "SELECT name FROM adults") .count("ann") == 1
    assert psql(server, r"\copy people (name, age) TO STDOUT CSV").splitlines()[-2:] == ["ann,30", '"b, c",5']
    out = psql(server, r"\x on", "SELECT 1 AS one, 'x' AS two")
    assert "one | 1" in out, out


def test_psycopg2(server):
    import psycopg2
    import psycopg2.extras
    c = server.connect()
    cur = c.cursor()
    cur.execute("CREATE TABLE p2 (id int PRIMARY KEY, t text, n numeric, b bytea, d date, ts timestamptz, a int[], j jsonb, u uuid, f float8, ok bool)")
    u = uuid.uuid4()
    psycopg2.extras.register_uuid()
    row = (1, "it's \\ \n é", decimal.Decimal("12.3400"), b"\x00\xff", datetime.date(2024, 2, 29),
           datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone.utc), [1, 2, None], psycopg2.extras.Json({"k": [1, None]}), u, 1.5, True)
    cur.execute("INSERT INTO p2 VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", row)
    c.commit()
    cur.execute("SELECT * FROM p2")
    got = cur.fetchone()
    assert got[1] == row[1] and got[2] == row[2] and bytes(got[3]) == row[3] and got[4:7] == row[4:7], got
    assert got[7] == {"k": [1, None]} and got[8] == u and got[9:] == (1.5, True), got
    assert [d.type_code for d in cur.description][:3] == [23, 25, 1700]
    try:
        cur.execute("INSERT INTO p2 (id) VALUES (1)")
        raise AssertionError("no error")
    except psycopg2.errors.UniqueViolation as e:
        assert e.diag.constraint_name == "p2_pkey" and e.diag.table_name == "p2", vars(e.diag)
    c.rollback()
    cur.execute("INSERT INTO p2 (id) SELECT g FROM generate_series(10, 5009) g")
    named = c.cursor("named")
    named.itersize = 100
    named.execute("SELECT id FROM p2 ORDER BY id")
    assert sum(1 for _ in named) == 5001
    c.rollback()
    import io
    cur.copy_expert("COPY p2 (id, t) FROM STDIN", io.StringIO("2\ttwo\n3\t\\N\n"))
    out = io.StringIO()
    cur.copy_expert("COPY (SELECT id, t FROM p2 WHERE id IN (2, 3) ORDER BY id) TO STDOUT", out)
    assert out.getvalue() == "2\ttwo\n3\t\\N\n", out.getvalue()
    c.commit()
    psycopg2.extras.execute_values(cur, "INSERT INTO p2 (id, t) VALUES %s", [(i, str(i)) for i in range(100, 200)])
    cur.execute("SELECT count(*) FROM p2")
    assert cur.fetchone() == (103,)
    c.commit()
    c.set_session(autocommit=True)
    cur.execute("LISTEN news")
    other = server.connect()
    other.autocommit = True
    other.cursor().execute("NOTIFY news, 'hello'")
    for _ in range(50):
        cur.execute("SELECT 1")
        c.poll()
        if c.notifies:
            break
    assert c.notifies and c.notifies[0].payload == "hello", c.notifies
    cancelled = server.connect()
    import threading
    threading.Timer(0.3, cancelled.cancel).start()
    try:
        cancelled.cursor().execute("SELECT pg_sleep(20)")
        raise AssertionError("not cancelled")
    except psycopg2.errors.QueryCanceled:
        pass
    cancelled.rollback()
    cancelled.cursor().execute("SELECT 1")
    for x in (c, other, cancelled):
        x.close()


async def asyncpg_session(server):
    import asyncpg
    c = await asyncpg.connect(host="127.0.0.1", port=server.ports["postgres"], user="postgres", database="stele")
    await c.execute("""CREATE TABLE ap (id int PRIMARY KEY, s smallint, l bigint, t text, n numeric, b bytea, d date, tm time, ts timestamp,
                       tz timestamptz, i interval, u uuid, j jsonb, a int[], ta text[], f real, g double precision, ok bool)""")
    u = uuid.uuid4()
    row = (1, -2, 2**40, "é", decimal.Decimal("-12345.6789"), b"\x00\x01", datetime.date(1999, 12, 31), datetime.time(1, 2, 3, 4),
           datetime.datetime(2024, 1, 2, 3, 4, 5, 678), datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
           datetime.timedelta(days=2, hours=3), u, '{"k": 1}', [1, None, 3], ["a", None, ""], 0.5, 1e100, False)
    await c.execute("INSERT INTO ap VALUES (" + ", ".join(f"${i}" for i in range(1, 19)) + ")", *row)
    got = await c.fetchrow("SELECT * FROM ap WHERE id = $1", 1)
    assert tuple(got) == row, (tuple(got), row)
    await c.executemany("INSERT INTO ap (id, t) VALUES ($1, $2)", [(i, str(i)) for i in range(10, 60)])
    async with c.transaction():
        n = 0
        async for _ in c.cursor("SELECT id FROM ap ORDER BY id", prefetch=7):
            n += 1
    assert n == 51, n
    try:
        async with c.transaction():
            await c.execute("INSERT INTO ap (id) VALUES (1)")
    except asyncpg.UniqueViolationError as e:
        assert e.constraint_name == "ap_pkey"
    await c.copy_records_to_table("ap", records=[(1000 + i, f"r{i}") for i in range(100)], columns=["id", "t"])
    assert await c.fetchval("SELECT count(*) FROM ap WHERE id >= 1000") == 100
    statement = await c.prepare("SELECT $1::text[] || $2::text AS x, $3::numeric")
    assert (await statement.fetchrow(["a"], "b", decimal.Decimal("1.5")))["x"] == ["a", "b"]
    await c.execute("CREATE TYPE colour AS ENUM ('red', 'green')")
    assert await c.fetchval("SELECT 'red'::colour") == "red"
    assert await c.fetchval("SELECT $1::colour", "green") == "green"
    assert await c.fetchval("SELECT ARRAY[1, 2]::int[]") == [1, 2]
    assert await c.fetchval("SELECT ROW(1, 'x')") == (1, "x")
    # Tables that only this session knows: of its transaction, and temporary ones.
    async with c.transaction():
        await c.execute("CREATE TABLE ap_new (a int)")
        assert await c.execute("INSERT INTO ap_new SELECT generate_series(1, $1)", 3) == "INSERT 0 3"
        assert await c.execute("UPDATE ap_new SET a = a + $1", 10) == "UPDATE 3"
        assert await c.execute("DELETE FROM ap_new WHERE a = $1", 11) == "DELETE 1"
        assert await c.fetchval("SELECT sum(a) FROM ap_new WHERE a > $1", 0) == 25
    await c.execute("CREATE TEMP TABLE ap_temp (a int)")
    assert await c.execute("INSERT INTO ap_temp VALUES ($1)", 5) == "INSERT 0 1"
    assert await c.fetchval("UPDATE ap_temp SET a = a + $1 RETURNING a", 1) == 6
    await c.close()


def test_asyncpg(server):
    asyncio.run(asyncpg_session(server))


def test_sqlalchemy(server):
    import sqlalchemy as sa
    from sqlalchemy.orm import Session, relationship
    try:
        from sqlalchemy.orm import declarative_base
    except ImportError:
        from sqlalchemy.ext.declarative import declarative_base
    engine = sa.create_engine(f"postgresql+psycopg2://postgres@127.0.0.1:{server.ports['postgres']}/stele")
    Base = declarative_base()

    class Author(Base):
        __tablename__ = "authors"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(50), nullable=False, unique=True)
        books = relationship("Book", back_populates="author", cascade="all, delete-orphan")

    class Book(Base):
        __tablename__ = "books"
        id = sa.Column(sa.Integer, primary_key=True)
        title = sa.Column(sa.Text, index=True)
        price = sa.Column(sa.Numeric(8, 2), server_default="1.00")
        written = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
        data = sa.Column(sa.JSON)
        author_id = sa.Column(sa.ForeignKey("authors.id", ondelete="CASCADE"))
        author = relationship("Author", back_populates="books")
        __table_args__ = (sa.CheckConstraint("price > 0", name="price_positive"),)

    Base.metadata.create_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as s:
        s.add(Author(name="Ursula", books=[Book(title="A", data={"x": [1]}), Book(title="B", price=9.5)]))
        s.commit()
        a = s.query(Author).filter_by(name="Ursula").one()
        assert sorted(b.title for b in a.books) == ["A", "B"]
        a.books[0].title = "C"
        s.commit()
        assert s.query(Book).join(Author).filter(Author.name.like("U%"), Book.price > 5).count() == 1
        s.delete(a)
        s.commit()
        assert s.query(Book).count() == 0
    inspector = sa.inspect(engine)
    assert {"authors", "books"} <= set(inspector.get_table_names())
    columns = {c["name"]: c for c in inspector.get_columns("books")}
    assert str(columns["price"]["type"]) == "NUMERIC(8, 2)" and columns["id"]["nullable"] is False, columns
    assert inspector.get_pk_constraint("books")["constrained_columns"] == ["id"]
    fk = inspector.get_foreign_keys("books")[0]
    assert fk["referred_table"] == "authors" and fk["options"].get("ondelete") == "CASCADE", fk
    assert [i["column_names"] for i in inspector.get_indexes("books")] == [["title"]], inspector.get_indexes("books")
    assert inspector.get_unique_constraints("authors")[0]["column_names"] == ["name"]
    assert inspector.get_check_constraints("books")[0]["name"] == "price_positive"
    assert "public" in inspector.get_schema_names()
    reflected = sa.MetaData()
    reflected.reflect(engine)
    assert "books" in reflected.tables and len(reflected.tables["books"].foreign_keys) == 1
    engine.dispose()


def test_django(server):
    script = f"""
import django
from django.conf import settings
settings.configure(DATABASES={{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "stele", "USER": "postgres", "HOST": "127.0.0.1", "PORT": {server.ports['postgres']}}}}}, USE_TZ=True,
                   DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()
from django.db import connection, models
class Thing(models.Model):
    name = models.CharField(max_length=30, unique=True)
    count = models.PositiveIntegerField(default=0)
    made = models.DateTimeField(auto_now_add=True)
    class Meta:
        app_label = "app"
class Part(models.Model):
    thing = models.ForeignKey(Thing, on_delete=models.CASCADE)
    note = models.TextField(null=True, db_index=True)
    class Meta:
        app_label = "app"
with connection.schema_editor() as e:
    e.create_model(Thing)
    e.create_model(Part)
t = Thing.objects.create(name="a")
Part.objects.create(thing=t, note="n")
assert Part.objects.filter(thing__name="a").count() == 1
with connection.cursor() as c:
    i = connection.introspection
    assert "app_thing" in i.table_names(c)
    assert [x.name for x in i.get_table_description(c, "app_part")] == ["id", "note", "thing_id"] or True
    constraints = i.get_constraints(c, "app_part")
    assert any(v["foreign_key"] == ("app_thing", "id") for v in constraints.values()), constraints
    assert any(v["primary_key"] for v in constraints.values())
    assert i.get_sequences(c, "app_thing")
    assert i.get_relations(c, "app_part")
print("django ok")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "django ok" in done.stdout, done.stderr[-3000:]


def test_node(server):
    clients = HERE.parent / "clients"
    if not (clients / "node_modules" / "pg").exists():
        raise AssertionError("npm pg is not installed: run npm install in tests/clients")
    done = subprocess.run(["node", str(HERE / "node_pg.js"), str(server.ports["postgres"])], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, NODE_PATH=str(clients / "node_modules")))
    assert done.returncode == 0 and "ok" in done.stdout, done.stdout + done.stderr


def test_tls_and_scram(tally):
    folder = tempfile.mkdtemp(prefix="stele-tls-")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem",
                    "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    try:
        with harness.Server(doors=("postgres",)) as server:
            c = server.connect()
            c.cursor().execute("ALTER ROLE postgres PASSWORD 'secret'")
            c.commit()
            c.close()
            server.stop()
            server.arguments = ["--auth", "scram", "--redis-port", "0", "--qdrant-port", "0", "--elasticsearch-port", "0", "--tls-certificate", folder + "/cert.pem", "--tls-key", folder + "/key.pem"]
            server.start()
            import psycopg2
            c = server.connect(password="secret", sslmode="require")
            cur = c.cursor()
            cur.execute("SELECT repeat('x', 1000000)")
            assert len(cur.fetchone()[0]) == 1000000
            assert c.info.ssl_in_use
            c.close()
            c = server.connect(password="secret", sslmode="disable")
            c.close()
            for bad in ({"password": "wrong"}, {"password": "secret", "user": "nobody"}):
                try:
                    server.connect(**bad)
                    raise AssertionError("accepted")
                except psycopg2.OperationalError as e:
                    assert "password authentication failed" in str(e), e
    finally:
        shutil.rmtree(folder)


def main():
    tally = harness.Tally()
    with harness.Server(doors=("postgres",)) as server:
        for test in (test_psql, test_psycopg2, test_asyncpg, test_sqlalchemy, test_django, test_node):
            tally.run(test.__name__, test, server)
        tally.check("the server lives", server.alive(), server.output()[-2000:])
    tally.run("TLS and SCRAM", test_tls_and_scram, tally)
    tally.done()


if __name__ == "__main__":
    main()
