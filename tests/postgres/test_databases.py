"""CREATE DATABASE makes a database of its own: names, types, functions, settings, notifications, sessions; what a crash
leaves; what DROP DATABASE takes away and what it refuses."""
import json
import pathlib
import select
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


def main():
    import psycopg2
    tally = harness.Tally()
    with harness.Server(doors=("postgres", "elasticsearch")) as server:
        sessions = {}

        def open_session(database, key=None, **more):
            c = server.connect(database=database, **more)
            c.autocommit = True
            sessions[key or database] = c
            return c

        def run(database, statement):
            cursor = sessions[database].cursor()
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

        def refused(database, statement):
            try:
                run(database, statement)
                return None
            except psycopg2.Error as e:
                return (e.pgcode, e.diag.message_primary, e.diag.message_detail)

        open_session("stele")
        run("stele", "create table t (id int primary key, body text); insert into t values (1, 'default'); create index on t using search (body);"
                     "create type mood as enum ('ok'); create function f() returns text language sql return 'default'; create schema extra; create extension vector;")
        run("stele", "create database shop")
        open_session("shop")
        tally.equal("empty at first", run("shop", "select count(*) from pg_class where relnamespace = 'public'::regnamespace"), [(0,)])
        tally.equal("its schemas", run("shop", "select nspname from pg_namespace where nspname !~ '^pg_' order by 1"), [("information_schema",), ("public",), ("redis",)])
        tally.equal("where", run("shop", "select current_database(), current_schema()"), [("shop", "public")])
        tally.equal("names do not reach over", refused("shop", "select * from t")[0], "42P01")
        tally.equal("nor do functions", refused("shop", "select f()")[0], "42883")
        tally.equal("nor with three parts", refused("shop", "select * from stele.public.t")[:2], ("0A000", 'cross-database references are not implemented: "stele.public.t"'))
        # The same names, other things; the same texts, other plans.
        run("shop", "create table t (id int primary key, price numeric); insert into t values (1, 9.5); create type mood as enum ('sad');"
                    "create function f() returns text language sql return 'shop'; create schema extra; create extension vector; create table extra.u (a int)")
        for _ in range(4):
            tally.equal("one text in two databases", (run("stele", "select * from t where id = 1"), run("shop", "select * from t where id = 1")), ([(1, "default")], [(1, number("9.5"))]))
        tally.equal("functions", (run("stele", "select f(), 'ok'::mood::text"), run("shop", "select f(), 'sad'::mood::text")), ([("default", "ok")], [("shop", "sad")]))
        tally.equal("three parts", run("shop", "select shop.public.t.price from shop.public.t"), [(number("9.5"),)])
        tally.equal("catalogue of one", [run(d, "select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r' and oid >= 16384") for d in ("stele", "shop")], [[("t",)], [("t u",)]])
        tally.equal("information_schema of one", run("shop", "select table_catalog, table_schema, table_name from information_schema.tables where table_schema in ('public', 'extra') order by 3"),
                    [("shop", "public", "t"), ("shop", "extra", "u")])
        run("shop", "create temp table mine (a int); insert into mine values (1)")
        tally.equal("temporary tables", run("shop", "select count(*) from mine"), [(1,)])
        run("shop", "begin; create table own (a int); insert into own values (7)")
        tally.equal("own DDL", (run("shop", "select a from own"), run("stele", "select count(*) from pg_class where relname = 'own'")), ([(7,)], [(0,)]))
        run("shop", "rollback")
        tally.equal("rolled back", refused("shop", "select a from own")[0], "42P01")
        # The Elasticsearch door shows the default database.
        run("shop", "create table films (id int primary key, title text); create index on films using search (title); insert into films values (1, 'fox')")
        tally.equal("search in it", run("shop", "select id from films where search(films, 'fox')"), [(1,)])
        with urllib.request.urlopen(f"http://127.0.0.1:{server.ports['elasticsearch']}/_cat/indices?format=json") as reply:
            tally.equal("indices", [i["index"] for i in json.loads(reply.read())], ["t"])

        # Settings, notifications, locks.
        run("stele", "alter database shop set work_mem = '7MB'; create role seller login; alter database shop set search_path = extra, public")
        open_session("shop", "second")
        tally.equal("settings of a database", run("second", "select current_setting('work_mem'), current_schema()"), [("7MB", "extra")])
        run("second", "listen news")
        run("stele", "notify news, 'elsewhere'")
        run("shop", "notify news, 'here'")
        select.select([sessions["second"]], [], [], 10)
        sessions["second"].poll()
        tally.equal("notifications stay inside", [n.payload for n in sessions["second"].notifies], ["here"])
        run("stele", "select pg_advisory_lock(5)")
        tally.equal("so do advisory locks", (run("shop", "select pg_try_advisory_lock(5)"), run("second", "select pg_try_advisory_lock(5)")), ([(True,)], [(False,)]))
        tally.equal("activity", run("stele", "select datname, count(*) from pg_stat_activity where datname in ('shop', 'stele') group by 1 order by 1"), [("shop", 2), ("stele", 1)])
        run("shop", "create table sold (a int); alter table sold owner to seller; grant select on t to seller")
        tally.equal("roles are everybody's", refused("stele", "drop role seller"), ("2BP01", 'role "seller" cannot be dropped because some objects depend on it', "2 objects in database shop"))

        # What is refused.
        tally.equal("twice", refused("stele", "create database shop")[:2], ("42P04", 'database "shop" already exists'))
        tally.equal("in a block", refused("stele", "begin; create database other")[:2], ("25001", "CREATE DATABASE cannot run inside a transaction block"))
        run("stele", "rollback")
        tally.equal("option", refused("stele", "create database other nonsense = 1")[:2], ("42601", 'option "nonsense" not recognized'))
        tally.equal("encoding", refused("stele", "create database other encoding 'klingon'")[:2], ("42704", "klingon is not a valid encoding name"))
        tally.equal("template", refused("stele", "create database other template nothing")[:2], ("3D000", 'template database "nothing" does not exist'))
        tally.equal("a template", refused("stele", "drop database template1")[:2], ("42809", "cannot drop a template database"))
        tally.equal("the open one", refused("shop", "drop database shop")[:2], ("55006", "cannot drop the currently open database"))
        tally.equal("missing", refused("stele", "drop database nothing")[:2], ("3D000", 'database "nothing" does not exist'))
        tally.equal("in use", refused("stele", "drop database shop"), ("55006", 'database "shop" is being accessed by other users', "There are 2 other sessions using the database."))
        run("stele", "create database closed allow_connections false")
        try:
            open_session("closed")
            tally.check("closed", False, "connected")
        except psycopg2.OperationalError as e:
            tally.check("closed", 'database "closed" is not currently accepting connections' in str(e), str(e))
        run("stele", "alter database closed allow_connections true; alter database closed rename to opened")
        open_session("opened")
        tally.equal("renamed", run("opened", "select current_database()"), [("opened",)])

        # A crash, then the end.
        for c in sessions.values():
            c.close()
        server.kill()
        server.start()
        for name in ("stele", "shop"):
            open_session(name)
        tally.equal("after a crash", (run("stele", "select * from t"), run("shop", "select price from public.t"), run("shop", "select nspname from pg_namespace where nspname like 'pg_temp%'")),
                    ([(1, "default")], [(number("9.5"),)], []))
        run("stele", "drop database shop with (force)")
        tally.check("its sessions end", refused("shop", "select 1") is not None)
        try:
            open_session("shop")
            tally.check("dropped", False, "connected")
        except psycopg2.OperationalError as e:
            tally.check("dropped", 'database "shop" does not exist' in str(e), str(e))
        run("stele", "drop role seller; create database shop")
        open_session("shop")
        tally.equal("a new one is empty", run("shop", "select count(*) from pg_class where relnamespace = 'public'::regnamespace"), [(0,)])
        tally.equal("the default one is whole", run("stele", "select f(), (select body from t), 'ok'::mood::text"), [("default", "default", "ok")])
    tally.done()


def number(text):
    import decimal
    return decimal.Decimal(text)


main()
