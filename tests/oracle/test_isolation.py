#!/usr/bin/env python3
"""Interleavings of sessions, run on Stele and on a real PostgreSQL 15; every step's outcome must agree.

isolation/*.spec:
  setup: SQL          run before every permutation (several lines are allowed)
  teardown: SQL
  session NAME: SQL   the session's opening statements, run at the start of every permutation
  step NAME: SQL      belongs to the session whose name is the step's first letter: a1 and ac are a's
  order: a1 b1 a2     one permutation; a step that waits is shown as "waits" and reported when it ends
The next step of a waiting session waits for it first.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
import harness  # noqa: E402
from interleaving import Spec, agree, both, run_order  # noqa: E402
from postgres import RealPostgres  # noqa: E402


def main():
    specs = [Spec(p.stem, p.read_text()) for p in sorted((HERE / "isolation").glob("*.spec"))]
    if len(sys.argv) > 1:
        specs = [s for s in specs if s.name in sys.argv[1:]]
    tally = harness.Tally()
    with RealPostgres("fsync=off", "deadlock_timeout=200ms") as real, \
            harness.Server("-c", "deadlock_timeout=200ms", doors=("postgres",)) as server:
        for spec in specs:
            for order in spec.orders:
                stele, postgres = both(lambda: run_order(spec, order, server.ports["postgres"], "stele"),
                                       lambda: run_order(spec, order, real.port, "postgres"))
                agree(tally, f"{spec.name}: {' '.join(order)}", stele, postgres)
    tally.done()


if __name__ == "__main__":
    main()
