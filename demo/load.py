#!/usr/bin/env python3
"""Loads the Debian archive that this machine knows (apt-cache dumpavail) into Stele, through COPY."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))
import pgwire  # noqa: E402

KINDS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Breaks", "Conflicts", "Replaces", "Provides")
DETAILS = ("Multi-Arch", "Essential", "Build-Essential", "Ghc-Package", "Ruby-Versions", "Lua-Versions", "Filename")


def read_archive():
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode(errors="replace")
    for stanza in text.split("\n\n"):
        fields, name = {}, None
        for line in stanza.split("\n"):
            if line[:1] in (" ", "\t"):
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if "Package" in fields:
            yield fields


def escape(value):
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def texts(stanzas):
    """What a package is about, in one line, by its name: the text that its vector is computed from."""
    out = {}
    for f in stanzas:
        if f["Package"] not in out:
            words = [f["Package"].replace("-", " "), f["Package"], f.get("Source", ""), f.get("Section", ""), f.get("Description", ""),
                     re.sub(r"[:,\s]+", " ", f.get("Tag", ""))]
            out[f["Package"]] = " ".join(" ".join(words).split())
    return out


class Numbered(dict):
    """Hands out 1, 2, 3 ... to new keys."""

    def __missing__(self, key):
        self[key] = number = len(self) + 1
        return number


def tables(stanzas):
    sections, maintainers, packages, tags = Numbered(), Numbered(), {}, Numbered()
    package_rows, version_rows, dependency_rows, tag_rows = [], [], [], set()
    for f in stanzas:
        if f["Package"] not in packages:
            packages[f["Package"]] = len(packages) + 1
            package_rows.append((packages[f["Package"]], f["Package"], sections[f.get("Section", "unknown")],
                                 f.get("Priority", "optional"), f.get("Description", "").split("\n")[0], f.get("Homepage")))
    seen = set()
    for f in stanzas:
        package = packages[f["Package"]]
        if (package, f["Version"], f.get("Architecture")) in seen:
            continue
        seen.add((package, f["Version"], f.get("Architecture")))
        version = len(version_rows) + 1
        m = re.match(r"(.*?)\s*<([^>]*)>", f.get("Maintainer", ""))
        who = (m.group(1), m.group(2)) if m else (f.get("Maintainer", "unknown"), "")
        details = {k.lower().replace("-", "_"): f[k] for k in DETAILS if k in f}
        version_rows.append((version, package, f["Version"], f.get("Architecture", "all"),
                             f.get("Source", f["Package"]).split(" ")[0], maintainers[who], f.get("Size"),
                             f.get("Installed-Size"), "\\x" + f["SHA256"] if "SHA256" in f else None, json.dumps(details)))
        for kind in KINDS:
            for position, group in enumerate(f.get(kind, "").split(",")):
                for alternative, item in enumerate(group.split("|")):
                    m = re.match(r"\s*([^\s(:\[]+)(?::\w+)?\s*(?:\(([^)]*)\))?", item)
                    if m:
                        dependency_rows.append((version, kind.lower(), position + 1, alternative + 1, m.group(1),
                                                packages.get(m.group(1)), m.group(2)))
        for tag in re.split(r",\s*", f.get("Tag", "").replace("\n", " ")):
            facet, _, value = tag.strip().partition("::")
            if value:
                tag_rows.add((package, tags[(facet, value)]))
    return [
        ("sections", [(i, name) for name, i in sections.items()]),
        ("maintainers", [(i, n, e) for (n, e), i in maintainers.items()]),
        ("packages", package_rows),
        ("versions", version_rows),
        ("dependencies", dependency_rows),
        ("tags", [(i, f, v) for (f, v), i in tags.items()]),
        ("package_tags", sorted(tag_rows)),
    ]


def bar(name, done, total, started, end=False):
    width = 28
    filled = width * done // max(total, 1)
    if sys.stdout.isatty() or end:
        sys.stdout.write(f"\r  {name:<14}[{'#' * filled}{'.' * (width - filled)}] {done:>7,} rows {time.monotonic() - started:6.1f} s")
        sys.stdout.write("\n" if end else "")
        sys.stdout.flush()


def copy(connection, name, rows):
    started = time.monotonic()
    connection.start(f"COPY {name} FROM STDIN")
    kind, body = connection.message()
    if kind != b"G":
        raise SystemExit(f"COPY {name}: {pgwire.fields(body).get('M')}")
    for at in range(0, len(rows), 2000):
        part = rows[at:at + 2000]
        connection.send(b"d", "".join("\t".join(escape(v) for v in row) + "\n" for row in part).encode())
        bar(name, at + len(part), len(rows), started)
    connection.send(b"c")
    check(connection.finish())
    bar(name, len(rows), len(rows), started, end=True)


def check(results):
    for r in results:
        if r.error:
            raise SystemExit(f"{r.error['M']} ({r.error['C']})" + (f"\n  {r.error['D']}" if "D" in r.error else ""))
    return results


def descriptions(data, stanzas):
    """Rows of the table descriptions: what each package is about, and its vector by latent semantic analysis (lsa.h)."""
    embed = HERE.parent / "build/release/bin/embed"
    if not embed.exists():
        print("  no vectors: build/release/bin/embed is not built")
        return []
    started = time.monotonic()
    about = texts(stanzas)
    sections = dict(data[0][1])
    model = HERE.parent / "build/archive.lsa"
    done = subprocess.run([str(embed), "learn", str(model), "256"], input="\n".join(about[row[1]] for row in data[2][1]),
                          capture_output=True, text=True, check=True)
    print(f"  latent semantic analysis of {len(about):,} descriptions in {time.monotonic() - started:.1f} s")
    return [(row[0], row[1], row[4], sections[row[2]], vector) for row, vector in zip(data[2][1], done.stdout.split("\n"))]


def load(connection):
    if connection.query("SELECT to_regclass('public.package_tags') IS NOT NULL")[0].rows == [["t"]]:
        n = connection.query("SELECT count(*) FROM packages")[0].rows[0][0]
        print(f"  already there: {int(n):,} packages")
        return
    print("  reading apt-cache dumpavail ...", flush=True)
    stanzas = list(read_archive())
    data = tables(stanzas)
    if not data[2][1]:
        print("  this machine knows no packages (try apt-get update); nothing was loaded")
        return
    data.append(("descriptions", descriptions(data, stanzas)))
    check(connection.query("BEGIN"))
    check(connection.query((HERE / "schema.sql").read_text()))
    for name, rows in data:
        copy(connection, name, rows)
    started = time.monotonic()
    check(connection.query("COMMIT"))
    for statement in (HERE / "after_load.sql").read_text().split(";\n"):
        if statement.strip():
            check(connection.query(statement))
    print(f"  foreign keys, indexes and statistics in {time.monotonic() - started:.1f} s")


def how_to_connect(ports):
    print("\nConnect with")
    if "postgres" in ports:
        p = ports["postgres"]
        print(f"  psql              psql -h 127.0.0.1 -p {p} -U postgres stele")
        print(f"  psycopg2, asyncpg postgresql://postgres@127.0.0.1:{p}/stele")
        print(f"  npm pg            new Client('postgres://postgres@127.0.0.1:{p}/stele')")
        print(f"  SQLAlchemy        create_engine('postgresql+psycopg2://postgres@127.0.0.1:{p}/stele')")
    if "redis" in ports:
        print(f"  redis             redis-cli -p {ports['redis']}")
    if "elasticsearch" in ports:
        print(f"  elasticsearch     curl 127.0.0.1:{ports['elasticsearch']}")
    if "qdrant" in ports:
        print(f"  qdrant            curl 127.0.0.1:{ports['qdrant']}/collections")
    print("Questions to ask are in README.md, under \"A tour\".")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", help="the server's port file")
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--database", default="stele")
    parser.add_argument("--how-to-connect", action="store_true", help="print and load nothing")
    options = parser.parse_args()
    ports = json.loads(pathlib.Path(options.ports).read_text()) if options.ports else {"postgres": options.port}
    if options.how_to_connect:
        how_to_connect(ports)
        return
    connection = pgwire.Connection(ports["postgres"], database=options.database, timeout=600)
    load(connection)
    connection.close()


if __name__ == "__main__":
    main()
