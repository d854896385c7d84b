#!/usr/bin/env python3
"""Runs the whole-server tests: every tests/*/test_*.py and tests/smoke.py, one after the other."""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=str(ROOT / "build/release/bin/stele"))
    parser.add_argument("--only", help="a part of the test's path")
    parser.add_argument("--summary", help="append 'name passed failed' lines here")
    parser.add_argument("--timeout", type=int, default=600)
    options = parser.parse_args()
    programs = [ROOT / "tests/smoke.py"] + sorted((ROOT / "tests").glob("*/test_*.py"))
    programs = [p for p in programs if p.exists() and "node_modules" not in p.parts]
    if options.only:
        programs = [p for p in programs if options.only in str(p.relative_to(ROOT))]
    passed = failed = 0
    env = dict(os.environ, STELE_SERVER=str(pathlib.Path(options.server).resolve()), PYTHONUNBUFFERED="1",
               PYTHONPATH=str(ROOT / "tests"))
    for program in programs:
        name = str(program.relative_to(ROOT / "tests"))
        started = time.monotonic()
        try:
            done = subprocess.run([PYTHON, str(program)], env=env, capture_output=True, text=True,
                                  errors="replace", timeout=options.timeout)
            output, code = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired as e:
            output = "".join(s.decode(errors="replace") if isinstance(s, bytes) else s or "" for s in (e.stdout, e.stderr))
            output += f"\ntimed out after {options.timeout} s"
            code = -1
        counts = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M)
        p, f = (int(counts[-1][0]), int(counts[-1][1])) if counts else (0, 0)
        if code != 0 and f == 0:
            f = 1
        passed, failed = passed + p, failed + f
        print(f"{'ok    ' if f == 0 else 'FAILED'} {name}: {p} passed, {f} failed, {time.monotonic() - started:.1f} s", flush=True)
        if f:
            print("    " + "\n    ".join(output.strip().splitlines()[-60:]), flush=True)
        if options.summary:
            with open(options.summary, "a") as out:
                out.write(f"{name} {p} {f}\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
