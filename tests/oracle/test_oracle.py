#!/usr/bin/env python3
"""Sends tests/oracle/sql/*.sql to Stele and to a real PostgreSQL 15 and compares what clients can see.

Compared: column names, type oids, typmods, rows, command tags, copy data, notices, and the errors' SQLSTATE, message,
detail, hint and position. In a file:
  -- unordered                    the next statement's rows may come in any order
  -- known difference: reason     the next statement is run on both but may differ; listed in the report
  -- from here on: unordered      for the rest of the file
COPY ... FROM STDIN is followed by its data and a line \\.

differing.txt lists the statements that do not agree yet, one a line: "file: statement". They are counted and shown apart;
anything else that differs fails. --update writes the list anew.
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import harness  # noqa: E402
import pgwire  # noqa: E402
from postgres import RealPostgres  # noqa: E402

ERROR_FIELDS = ("S", "C", "M", "D", "H", "P", "p", "q", "W", "s", "t", "c", "d", "n")


class Statement:
    def __init__(self, text, line):
        self.text, self.line = text, line
        self.unordered = False
        self.known = None
        self.copy_data = None


def parse(text):
    """Splits at semicolons outside quotes, comments and dollar quotes."""
    out, start, i, line = [], 0, 0, 1
    unordered = known = None
    always_unordered = False
    n = len(text)
    begin_line = None
    while i < n:
        c = text[i]
        if begin_line is None and not c.isspace() and not text.startswith("--", i):
            begin_line, start = text.count("\n", 0, i) + 1, i
        if text.startswith("--", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
            comment = text[i + 2:end].strip()
            if comment == "unordered":
                unordered = True
            elif comment == "from here on: unordered":
                always_unordered = True
            elif comment.startswith("known difference:"):
                known = comment[len("known difference:"):].strip()
            i = end
        elif c == "'":
            escaped = i > 0 and text[i - 1] in "eE" and (i < 2 or not text[i - 2].isalnum())
            i += 1
            while i < n:
                if escaped and text[i] == "\\":
                    i += 2
                    continue
                if text[i] == "'":
                    if text.startswith("''", i):
                        i += 2
                        continue
                    break
                i += 1
            i += 1
        elif c == '"':
            i = text.index('"', i + 1) + 1
        elif c == "$" and (m := re.match(r"\$[A-Za-z_]*\$", text[i:])):
            i = text.index(m.group(0), i + len(m.group(0))) + len(m.group(0))
        elif text.startswith("/*", i):
            i = text.index("*/", i) + 2
        elif c == ";":
            s = Statement(text[start:i + 1], begin_line)
            i += 1
            if re.match(r"(?is)\s*copy\s+(?!\().*\bfrom\s+stdin", s.text):
                end = text.index("\n\\.\n", i)
                s.copy_data = text[i:end + 1].lstrip("\n")
                i = end + 4
            s.unordered = bool(unordered) or always_unordered
            s.known = known
            out.append(s)
            unordered = known = begin_line = None
        else:
            i += 1
    return out


def normal(result, unordered):
    """A Result as comparable plain data."""
    def error(e):
        return {f: e[f] for f in ERROR_FIELDS if f in e}
    rows = sorted(result.rows, key=repr) if unordered else result.rows
    columns = None
    if result.columns is not None:
        columns = [(name, oid if oid < 16384 else "user", typmod) for name, oid, typmod in result.columns]
    return {
        "columns": columns,
        "rows": rows,
        "tag": result.tag,
        "copy": result.copy_out,
        "error": error(result.error) if result.error else None,
        "notices": [error(x) for x in result.notices],
    }


def run(connection, s):
    try:
        return [normal(r, s.unordered) for r in connection.query(s.text, s.copy_data)]
    except (pgwire.WireError, OSError) as e:
        return [{"connection": str(e)}]


def difference(ours, theirs):
    lines = []
    for i in range(max(len(ours), len(theirs))):
        a = ours[i] if i < len(ours) else {}
        b = theirs[i] if i < len(theirs) else {}
        for key in sorted(set(a) | set(b)):
            if a.get(key) != b.get(key):
                lines.append(f"      {key}: stele    {str(a.get(key))[:600]}\n      {' ' * len(key)}  postgres {str(b.get(key))[:600]}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="names of files of sql/ (default: all)")
    parser.add_argument("--stele-port", type=int, help="an already running Stele")
    parser.add_argument("--postgres-port", type=int, help="an already running PostgreSQL 15 (C.UTF-8)")
    parser.add_argument("--quiet", action="store_true", help="counts only")
    parser.add_argument("--update", action="store_true", help="write differing.txt anew")
    parser.add_argument("--max", type=int, default=1000, help="differences shown a file")
    options = parser.parse_args()
    files = sorted((HERE / "sql").glob("*.sql"))
    if options.files:
        files = [f for f in files if f.stem in options.files]
    agreed = differed = 0
    known = []
    listed = HERE / "differing.txt"
    options.listed = set(listed.read_text().splitlines()) if listed.exists() and not options.update else set()
    options.still, options.seen = set(), []
    real = None
    if not options.postgres_port:
        real = RealPostgres("fsync=off").__enter__()
    try:
        for file in files:
            server = None if options.stele_port else harness.Server(doors=("postgres",)).start()
            try:
                a, b = compare_file(file, options.stele_port or server.ports["postgres"],
                                    options.postgres_port or real.port, known, options)
                agreed, differed = agreed + a, differed + b
            finally:
                if server:
                    server.__exit__()
    finally:
        if real:
            real.__exit__()
    if known:
        print(f"{len(known)} known differences:")
        for where, reason, still in known:
            print(f"  {where}: {reason}{'' if still else ' (agrees now)'}")
    if options.update:
        kept = set() if not options.files else {x for x in listed.read_text().splitlines() if x.split(":")[0] not in options.files} if listed.exists() else set()
        listed.write_text("".join(x + "\n" for x in sorted(kept | set(options.seen))))
        differed = 0
    if options.still:
        print(f"{len(options.still)} statements of differing.txt still differ")
    print(f"{agreed} passed, {differed} failed")
    return 1 if differed else 0


def key_of(file, s):
    return f"{file.stem}: {' '.join(s.text.split())[:200]}"


def compare_file(file, stele_port, postgres_port, known, options):
    statements = parse(file.read_text())
    admin = pgwire.Connection(postgres_port, database="postgres")
    name = "stele"
    admin.query(f"DROP DATABASE IF EXISTS {name}")
    admin.query(f"CREATE DATABASE {name} TEMPLATE template0")
    theirs = pgwire.Connection(postgres_port, database=name)
    ours = None
    agreed = differed = shown = 0
    for s in statements:
        expected = run(theirs, s)
        if ours is None:
            try:
                ours = pgwire.Connection(stele_port, timeout=20)
            except (pgwire.WireError, OSError) as e:
                print(f"  {file.stem}:{s.line}: no connection: {e}")
                differed += 1
                break
        got = run(ours, s)
        if got and "connection" in got[0]:
            ours = None
        if s.known:
            known.append((f"{file.stem}:{s.line}", s.known, got != expected))
        elif got == expected:
            agreed += 1
        elif key_of(file, s) in options.listed:
            options.still.add(key_of(file, s))
        else:
            options.seen.append(key_of(file, s))
            differed += 1
            shown += 1
            if not options.quiet and shown <= options.max:
                print(f"  {file.stem}:{s.line}: {' '.join(s.text.split())[:300]}\n{difference(got, expected)}", flush=True)
    if ours:
        ours.close()
    theirs.close()
    admin.query(f"DROP DATABASE {name} WITH (FORCE)")
    roles = [r[0] for r in admin.query("SELECT rolname FROM pg_roles WHERE oid >= 16384")[0].rows]
    for r in roles:
        admin.query(f'DROP ROLE "{r}"')
    admin.close()
    print(f"{file.stem}: {agreed} agree, {differed} differ", flush=True)
    return agreed, differed


if __name__ == "__main__":
    sys.exit(main())
