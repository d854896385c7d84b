#!/usr/bin/env python3
"""Runs what README.md and docs/*.md tell the reader to run, against a server with the sample data.

A block ```sql goes through psql, a block ```sh through bash (the standard ports are replaced by this server's). When
a plain block follows directly, it is what the reader is promised: names and columns must agree, numbers and the rows of
somebody else's package archive may not. Blocks without a language are not run. STELE_DOCS_PRINT=1 prints what came out.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

BLOCK = re.compile(r"^```(sql|sh)\n(.*?)^```\n(?:```\n(.*?)^```\n)?", re.S | re.M)


def run(server, language, text):
    for door, standard in (("postgres", "5432"), ("redis", "6379"), ("elasticsearch", "9200"), ("qdrant", "6333")):
        text = re.sub(rf"\b{standard}\b", str(server.ports[door]), text)
    if language == "sql":
        command = ["psql", "-X", "-h", "127.0.0.1", "-p", str(server.ports["postgres"]), "-U", "postgres", "-P", "footer=off",
                   "-v", "ON_ERROR_STOP=1", "-f", "-", "stele"]
    else:
        command = ["bash", "-euo", "pipefail", "-s"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def shape(output):
    """The promise a reader can hold us to: the first line (column names) with numbers and spacing left out."""
    lines = [line for line in output.strip("\n").split("\n")]
    return re.sub(r"\s+", " ", re.sub(r"\d+", "N", lines[0])).strip() if lines else ""


def check_document(tally, server, path):
    text = path.read_text()
    for block in BLOCK.finditer(text):
        language, source, promised = block.groups()
        name = f"{path.name}:{text.count(chr(10), 0, block.start()) + 1}"
        code, out, errors = run(server, language, source)
        if os.environ.get("STELE_DOCS_PRINT"):
            print(f"--- {name}\n{source}--- prints\n{out}{errors}")
        if not tally.check(name, code == 0, errors.strip()[-1500:]):
            continue
        if promised is not None:
            table = re.search(r"^[-+ ]+$", out, re.M) is not None
            if table and "QUERY PLAN" not in out:
                tally.equal(f"{name} columns", shape(out), shape(promised))
                tally.check(f"{name} rows", len(out.strip().split("\n")) > 2, out)
            else:
                tally.check(f"{name} says something", out.strip() != "", errors)


def main():
    tally = harness.Tally()
    archive = subprocess.run("apt-cache dumpavail | head -c 1", shell=True, capture_output=True).stdout
    if not archive or not shutil.which("psql"):
        print("skipped: needs psql and a package archive (apt-get update)")
        print("0 passed, 0 failed")
        return
    with harness.Server() as server:
        load = subprocess.run([sys.executable, str(harness.ROOT / "demo/load.py"), "--ports", str(server.data / "ports.json")],
                              capture_output=True, text=True)
        if tally.check("sample data", load.returncode == 0, load.stdout[-500:] + load.stderr[-1500:]):
            for path in [harness.ROOT / "README.md", *sorted((harness.ROOT / "docs").glob("*.md"))]:
                check_document(tally, server, path)
    tally.done()


if __name__ == "__main__":
    main()
