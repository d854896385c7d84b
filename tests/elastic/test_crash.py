"""The server is killed at random moments while SQL and HTTP write into searchable relations: after each kill `stele check`
proves that every search index equals its rows, and what was acknowledged is there and is found.

STELE_KILLS sets the number of kills (30); STELE_SEED replays a run."""
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

KILLS = int(os.environ.get("STELE_KILLS", "30"))
SEED = int(os.environ.get("STELE_SEED", str(random.SystemRandom().randrange(1 << 32))))
WORDS = [f"word{i}" for i in range(400)]


class Model:
    """What was acknowledged. A key whose last write got no answer may be in either state."""

    def __init__(self):
        self.state, self.unsure = {}, {}

    def begin(self, key, value):
        self.unsure.setdefault(key, []).append(value)

    def done(self, key, value):
        self.state[key] = value
        self.unsure.pop(key, None)


def text(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 30)))


def sql_writer(server, number, seed, model, stop):
    rng = random.Random(seed)
    try:
        connection = server.connect()
        cursor = connection.cursor()
        while not stop.is_set():
            changes = {}
            for _ in range(rng.randrange(1, 6)):
                key = f"s{number}-{rng.randrange(200)}"
                if rng.random() < 0.2:
                    changes[key] = None
                    cursor.execute("delete from notes where id = %s", (key,))
                elif rng.random() < 0.1:
                    cursor.execute("savepoint a; insert into notes values (%s, 'undone') on conflict (id) do update set body = 'undone'; rollback to a", (key,))
                else:
                    changes[key] = text(rng)
                    cursor.execute("insert into notes values (%s, %s) on conflict (id) do update set body = excluded.body", (key, changes[key]))
            if rng.random() < 0.1:
                connection.rollback()
                continue
            for key, value in changes.items():
                model.begin(key, value)
            connection.commit()
            for key, value in changes.items():
                model.done(key, value)
    except Exception:
        if not stop.is_set():
            raise


def http_writer(server, number, seed, model, stop):
    rng = random.Random(seed)
    try:
        while not stop.is_set():
            lines, changes = [], {}
            for _ in range(rng.randrange(1, 8)):
                # Both kinds of relation: an index of the door's own, and the SQL table.
                index = rng.choice(("pages", "notes"))
                key = f"{'h' if index == 'pages' else 't'}{number}-{rng.randrange(200)}"
                if key in changes:
                    continue
                if rng.random() < 0.2:
                    changes[key] = None
                    lines.append({"delete": {"_index": index, "_id": key}})
                else:
                    changes[key] = text(rng)
                    lines += [{"index": {"_index": index, "_id": key}}, {"body": changes[key]}]
            if not lines:
                continue
            for key, value in changes.items():
                model.begin(key, value)
            request = urllib.request.Request(f"http://127.0.0.1:{server.ports['elasticsearch']}/_bulk", method="POST",
                                             data="".join(json.dumps(x) + "\n" for x in lines).encode(), headers={"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as reply:
                result = json.loads(reply.read())
            assert not result["errors"], result
            for key, value in changes.items():
                model.done(key, value)
    except Exception:
        if not stop.is_set():
            raise


def main():
    print(f"seed {SEED}, {KILLS} kills")
    rng = random.Random(SEED)
    tally = harness.Tally()
    server = harness.Server("--search-tail-kb", "64", doors=("postgres", "elasticsearch"))
    models = [Model() for _ in range(4)]
    with server:
        connection = server.connect()
        connection.autocommit = True
        connection.cursor().execute("create table notes (id text primary key, body text); create index on notes using search (body)")
        connection.close()
        request = urllib.request.Request(f"http://127.0.0.1:{server.ports['elasticsearch']}/pages", method="PUT", data=b"{}", headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request).read()
        from_files = 0
        for kill in range(KILLS):
            stop = threading.Event()
            threads = [threading.Thread(target=f, args=(server, i, rng.randrange(1 << 32), models[i], stop))
                       for i, f in enumerate((sql_writer, http_writer, sql_writer, http_writer))]
            for t in threads:
                t.start()
            time.sleep(rng.uniform(0.05, 1.2))
            stop.set()
            server.kill()
            for t in threads:
                t.join()
            checked = subprocess.run([harness.SERVER, "check", "-D", str(server.data / "db")], capture_output=True, text=True)
            if not tally.check(f"kill {kill}: stele check", checked.returncode == 0 and checked.stdout.count("equals the rows") == 2, checked.stdout + checked.stderr):
                break
            from_files += len(list((server.data / "db" / "segments").glob("*/manifest")))
            server.start()
            connection = server.connect()
            cursor = connection.cursor()
            cursor.execute("select id, body from notes")
            rows = dict(cursor.fetchall())
            cursor.execute("select _id, _source->>'body' from pages")
            rows.update(cursor.fetchall())
            wrong = []
            for model in models:
                for key in set(model.state) | set(model.unsure):
                    allowed = [model.state.get(key)] + model.unsure.get(key, [])
                    if rows.get(key) not in allowed:
                        wrong.append((key, rows.get(key), allowed))
                    model.state[key] = rows.get(key)
                model.unsure.clear()
            tally.check(f"kill {kill}: what was acknowledged is there", not wrong, wrong[:3])
            word = rng.choice(WORDS)
            want = sorted(k for k, v in rows.items() if v and word in v.split())
            request = urllib.request.Request(f"http://127.0.0.1:{server.ports['elasticsearch']}/pages,notes/_search?q=body:{word}&size=1000")
            with urllib.request.urlopen(request) as reply:
                found = sorted(h["_id"] for h in json.loads(reply.read())["hits"]["hits"])
            tally.equal(f"kill {kill}: and is found", found, want)
            connection.close()
        tally.check("indexes were loaded from files, not built", from_files > 0, from_files)
        print(f"{from_files} of {2 * KILLS} index starts came from files")
    tally.done()


main()
