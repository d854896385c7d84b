#!/usr/bin/env python3
"""pgvector's documented SQL, statement by statement, and its errors."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]
import harness  # noqa: E402
import pgwire  # noqa: E402

ERRORS = [
    ("SELECT '[1,2]'::vector <-> '[1,2,3]'::vector", "22000", "different vector dimensions 2 and 3"),
    ("SELECT '[1,2,3]'::vector(2)", "22000", "expected 2 dimensions, not 3"),
    ("SELECT '[]'::vector", "22000", "vector must have at least 1 dimension"),
    ("SELECT '[NaN]'::vector", "22000", "NaN not allowed in vector"),
    ("SELECT '[Infinity]'::vector", "22000", "infinite value not allowed in vector"),
    ("SELECT '[1,2'::vector", "22P02", "invalid input syntax for type vector: \"[1,2\""),
    ("CREATE TABLE e (v vector(0))", "22023", "dimensions for type vector must be at least 1"),
    ("CREATE TABLE e (v vector(16001))", "22023", "dimensions for type vector cannot exceed 16000"),
    ("CREATE TABLE e2 (id int PRIMARY KEY, v vector); CREATE INDEX ON e2 USING hnsw (v vector_l2_ops)", "22023", "column does not have dimensions"),
    ("CREATE TABLE e3 (id int PRIMARY KEY, v vector(3)); CREATE INDEX ON e3 USING hnsw (v vector_l2_ops) WITH (m = 1)", "22023", 'value 1 out of bounds for option "m"'),
]


def main():
    tally = harness.Tally()
    with harness.Server(doors=("postgres",)) as server:
        connection = pgwire.Connection(server.ports["postgres"])
        statement, last = "", None
        for line in (HERE / "pgvector.sql").read_text().split("\n"):
            if line.startswith("--> "):
                got = "; ".join(" ".join("null" if v is None else v for v in row) for row in (last.rows if last else []))
                tally.equal(statement, got, line[4:])
            elif line and not line.startswith("--"):
                statement = line
                last = connection.query(line)[-1]
                tally.check(line, last.error is None, last.error)
        for sql, code, message in ERRORS:
            error = next((r.error for r in connection.query(sql) if r.error), None) or {}
            tally.check(sql, error.get("C") == code and error.get("M") == message, error)
        tally.check("the server lives", server.alive())
    tally.done()


if __name__ == "__main__":
    main()
