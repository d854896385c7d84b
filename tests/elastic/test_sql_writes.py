"""HTTP writes to an SQL table run what SQL runs: defaults, generated columns, checks, foreign keys, triggers, every index;
and an SQL error becomes an Elasticsearch error."""
import json
import pathlib
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

SCHEMA = """
create table makers (name text primary key);
insert into makers values ('acme'), ('umbrella');
create table parts (
  id int primary key, name text not null, price numeric check (price > 0), maker text default 'acme' references makers on delete cascade,
  tags text[], code text unique, size int generated always as (length(name)) stored, made date default '2020-01-02');
create index on parts using search (name);
create index on parts (price);
create table audit (what text, name text);
"""
TRIGGERS = """
create function note() returns trigger language plpgsql as $$ begin if tg_op = 'DELETE' then insert into audit values (tg_op, old.name); else insert into audit values (tg_op, new.name); end if; return null; end $$;
create trigger note after insert or update or delete on parts for each row execute function note();
create function veto() returns trigger language plpgsql as $$ begin if new.name = 'nothing' then return null; end if; return new; end $$;
create trigger veto before insert on parts for each row execute function veto();
"""


def main():
    tally = harness.Tally()
    with harness.Server(doors=("postgres", "elasticsearch")) as server:
        connection = server.connect()
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(SCHEMA)
        try:
            cursor.execute(TRIGGERS)
            triggers = True
        except Exception as error:
            triggers = False
            print(f"skipped: triggers ({error})")

        def http(method, path, body=None):
            data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{server.ports['elasticsearch']}{path}", method=method, data=data)
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request) as reply:
                    return reply.status, json.loads(reply.read())
            except urllib.error.HTTPError as error:
                return error.code, json.loads(error.read())

        def sql(text):
            cursor.execute(text)
            return cursor.fetchall()

        status, reply = http("PUT", "/parts/_doc/1", {"name": "bolt", "price": 2.5, "tags": ["steel", "m8"], "code": "b"})
        tally.equal("created", (status, reply["result"], reply["_version"]), (201, "created", 1))
        tally.equal("defaults, arrays and generated columns", sql("select id, name, price::text, maker, tags, code, size, made::text from parts"),
                    [(1, "bolt", "2.5", "acme", ["steel", "m8"], "b", 4, "2020-01-02")])
        tally.equal("every index has it", sql("set enable_seqscan = off; select id from parts where price between 2 and 3"), [(1,)])
        source = http("GET", "/parts/_doc/1")[1]["_source"]
        tally.equal("the row as a document", (source["maker"], source["tags"], source["size"], source["made"]), ("acme", ["steel", "m8"], 4, "2020-01-02"))
        if triggers:
            tally.equal("trigger", sql("select * from audit"), [("INSERT", "bolt")])

        refused = [
            ("check", {"name": "nut", "price": -1}, 400, "illegal_argument_exception", 'violates check constraint "parts_price_check"', "23514"),
            ("not null", {"price": 1}, 400, "illegal_argument_exception", 'null value in column "name"', "23502"),
            ("foreign key", {"name": "nut", "maker": "nobody"}, 400, "illegal_argument_exception", "violates foreign key constraint", "23503"),
            ("type", {"name": "nut", "price": "dear"}, 400, "illegal_argument_exception", 'invalid input syntax for type numeric: "dear"', None),
            ("unique", {"name": "nut", "code": "b"}, 409, "version_conflict_engine_exception", "duplicate key value violates unique constraint", None),
        ]
        for name, body, want_status, want_type, want_reason, sqlstate in refused:
            status, reply = http("PUT", "/parts/_doc/2", body)
            error = reply.get("error", {})
            tally.equal(f"{name}: status and type", (status, reply.get("status"), error.get("type")), (want_status, want_status, want_type))
            tally.check(f"{name}: reason", want_reason in error.get("reason", "") and error["root_cause"][0]["reason"] == error["reason"], reply)
            if sqlstate:
                tally.equal(f"{name}: sqlstate", error.get("caused_by", {}).get("sqlstate"), sqlstate)
        tally.equal("nothing of it is there", (sql("select count(*) from parts"), http("GET", "/parts/_count")[1]["count"]), ([(1,)], 1))
        if triggers:
            tally.equal("a trigger may refuse", (http("PUT", "/parts/_doc/9", {"name": "nothing"})[1]["result"], sql("select count(*) from parts where id = 9")), ("noop", [(0,)]))

        lines = [{"index": {"_id": 2}}, {"name": "nut", "price": 1}, {"index": {"_id": 3}}, {"name": "bad", "price": 0},
                 {"index": {"_id": 4}}, {"name": "washer", "maker": "umbrella"}, {"create": {"_id": 1}}, {"name": "again"}]
        status, reply = http("POST", "/parts/_bulk", "".join(json.dumps(x) + "\n" for x in lines))
        tally.equal("bulk: each item its own outcome", (status, reply["errors"], [i[next(iter(i))]["status"] for i in reply["items"]]), (200, True, [201, 400, 201, 409]))
        tally.equal("bulk: the good ones stay", sql("select id from parts order by id"), [(1,), (2,), (4,)])

        status, reply = http("POST", "/parts/_update/1", {"doc": {"price": 3}})
        tally.equal("partial update", (status, reply["result"], sql("select price::text, tags, code, size from parts where id = 1")), (200, "updated", [("3", ["steel", "m8"], "b", 4)]))
        http("PUT", "/parts/_doc/1", {"name": "long bolt"})
        tally.equal("replacing takes defaults again", sql("select price, maker, tags, code, size, made::text from parts where id = 1"), [(None, "acme", None, None, 9, "2020-01-02")])
        tally.equal("delete", (http("DELETE", "/parts/_doc/1")[1]["result"], sql("select count(*) from parts where id = 1")), ("deleted", [(0,)]))
        tally.equal("cascades reach documents", (sql("delete from makers where name = 'umbrella' returning 1"), http("GET", "/parts/_doc/4")[0], http("GET", "/parts/_search?q=washer")[1]["hits"]["hits"]), ([(1,)], 404, []))
        if triggers:
            tally.equal("triggers saw everything", sql("select what, name from audit"),
                        [("INSERT", "bolt"), ("INSERT", "nut"), ("INSERT", "washer"), ("UPDATE", "bolt"), ("UPDATE", "long bolt"), ("DELETE", "long bolt"), ("DELETE", "washer")])

        # Deferred constraints are found by the commit: one bad item does not take the others along.
        cursor.execute("create table leaves (id int primary key, tree text references makers deferrable initially deferred)")
        cursor.execute("create index on leaves using search (tree)")
        lines = [{"index": {"_id": 1}}, {"tree": "acme"}, {"index": {"_id": 2}}, {"tree": "nobody"}]
        reply = http("POST", "/leaves/_bulk", "".join(json.dumps(x) + "\n" for x in lines))[1]
        tally.equal("deferred", ([i["index"]["status"] for i in reply["items"]], sql("select id from leaves")), ([201, 400], [(1,)]))
        # An index of the door's own takes constraints that SQL adds.
        http("PUT", "/pages", {})
        cursor.execute("alter table pages add check (_source ? 'title')")
        tally.equal("check on an index", (http("PUT", "/pages/_doc/1", {"title": "x"})[0], http("PUT", "/pages/_doc/2", {"body": "x"})[0]), (201, 400))
    tally.done()


main()
