"""One commit for SQL and search: what a transaction writes is found by itself, by nobody else before its commit, and
by everybody at once after it; and the same the other way round."""
import json
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


def elastic(server, method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{server.ports['elasticsearch']}{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as reply:
        return json.loads(reply.read())


def found(server, index, word):
    return sorted(h["_id"] for h in elastic(server, "GET", f"/{index}/_search?q={word}")["hits"]["hits"])


def main():
    tally = harness.Tally()
    with harness.Server(doors=("postgres", "elasticsearch")) as server:
        connection = server.connect()
        cursor = connection.cursor()

        def search(relation, word):
            cursor.execute("select id from search(%s, %s)", (relation, word))
            return sorted(row[0] for row in cursor.fetchall())

        cursor.execute("create table notes (id int primary key, body text)")
        cursor.execute("create index on notes using search (body)")
        connection.commit()
        cursor.execute("insert into notes values (1, 'granite stone'), (2, 'marble stone')")
        tally.equal("the writer finds its own rows", search("notes", "stone"), ["1", "2"])
        tally.equal("nobody else does", found(server, "notes", "stone"), [])
        connection.commit()
        tally.equal("after the commit everybody does", found(server, "notes", "stone"), ["1", "2"])
        cursor.execute("update notes set body = 'sand' where id = 1")
        cursor.execute("delete from notes where id = 2")
        tally.equal("changes are seen inside", search("notes", "stone"), [])
        tally.equal("and not outside", found(server, "notes", "stone"), ["1", "2"])
        connection.rollback()
        tally.equal("a rollback leaves no trace", (search("notes", "stone"), found(server, "notes", "sand")), (["1", "2"], []))
        cursor.execute("savepoint a")
        cursor.execute("insert into notes values (3, 'slate stone')")
        cursor.execute("rollback to savepoint a")
        tally.equal("nor does a savepoint", search("notes", "slate"), [])
        connection.commit()

        elastic(server, "PUT", "/pages/_doc/a", {"title": "carved letters"})
        tally.equal("a document is a row at once", search("pages", "carved"), ["a"])
        cursor.execute("insert into pages (_id, _source) values ('b', '{\"title\": \"carved lines\"}')")
        tally.equal("a row is no document before its commit", found(server, "pages", "carved"), ["a"])
        connection.commit()
        tally.equal("and one after it", found(server, "pages", "carved"), ["a", "b"])

        connection.close()
        server.kill()
        server.start()
        tally.equal("a crash loses nothing", (found(server, "pages", "carved"), found(server, "notes", "stone")), (["a", "b"], ["1", "2"]))
    tally.done()


main()
