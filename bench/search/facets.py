#!/usr/bin/env python3
"""Facets: the same GROUP BY over a table with a columns index and over its copy without one, in one server, alternating.
The planner chooses; EXPLAIN is shown. bench/search/facets.py [--rows 500000] [--server BINARY]

Done when columns are at least 5 times faster."""
import argparse
import io
import pathlib
import random
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import harness  # noqa: E402

QUERIES = [
    ("terms facet", "select brand, count(*) from {} group by brand order by 2 desc, 1 limit 10"),
    ("facet with sums", "select category, count(*), sum(price), avg(stars) from {} group by category order by 1"),
    ("filtered facet", "select brand, count(*) from {} where price between 2000 and 3000 and in_stock group by brand order by 2 desc, 1 limit 10"),
    ("histogram", "select price / 500, count(*) from {} group by 1 order by 1"),
    ("date histogram", "select made, count(*) from {} group by made order by 1 limit 20"),
    ("count", "select count(*) from {} where stars > 3.5"),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500000)
    parser.add_argument("--server", default=harness.SERVER)
    o = parser.parse_args()
    harness.SERVER = o.server
    rng = random.Random(1)
    with harness.Server(doors=("postgres",)) as server:
        connection = server.connect()
        connection.autocommit = True
        c = connection.cursor()
        for table in ("plain", "columned"):
            c.execute(f"create table {table} (id int primary key, brand text, category text, price int, stars float8, in_stock bool, made date, description text)")
        data = io.StringIO()
        for i in range(o.rows):
            data.write(f"{i}\tbrand {int(rng.paretovariate(1)) % 200}\tcategory {rng.randrange(20)}\t{rng.randrange(5000)}\t{rng.randrange(50) / 10}\t{rng.choice('tf')}\t20{rng.randrange(10, 24)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)}\t{'some words about it ' * 5}\n")
        for table in ("plain", "columned"):
            data.seek(0)
            c.copy_expert(f"copy {table} from stdin", data)
        c.execute("create index facets on columned using columns (brand, category, price, stars, in_stock, made)")
        c.execute("analyze plain; analyze columned")
        # The index is built in the background; plans use it from then on.
        deadline = time.monotonic() + 120
        while True:
            c.execute("explain (costs off) " + QUERIES[0][1].format("columned"))
            plan = "\n".join(r[0] for r in c.fetchall())
            if "Column Scan" in plan or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        print(plan, "\n")
        worst = float("inf")
        for name, query in QUERIES:
            times, answers = {"plain": [], "columned": []}, {}
            for _ in range(7):
                for table in times:
                    t = time.perf_counter()
                    c.execute(query.format(table))
                    answers[table] = c.fetchall()
                    times[table].append(time.perf_counter() - t)
            assert [[str(v)[:12] for v in r] for r in answers["plain"]] == [[str(v)[:12] for v in r] for r in answers["columned"]], name
            a, b = (1000 * statistics.median(times[t]) for t in ("plain", "columned"))
            worst = min(worst, a / b)
            print(f"{name:<16} rows {a:8.1f} ms   columns {b:8.1f} ms   {a / b:5.1f}x")
        connection.close()
    print(f"lowest ratio {worst:.1f}x")
    return 0 if worst >= 5 else 1


sys.exit(main())
