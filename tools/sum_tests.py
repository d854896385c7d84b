#!/usr/bin/env python3
"""sum_tests.py CTEST_OUTPUT SUMMARY SECONDS: one closing line over unit tests and whole-server tests."""
import re
import sys

passed = failed = 0
ctest = open(sys.argv[1], errors="replace").read()
m = re.search(r"(\d+)% tests passed, (\d+) tests failed out of (\d+)", ctest)
if m:
    failed += int(m.group(2))
    passed += int(m.group(3)) - int(m.group(2))
else:
    failed += 1
for line in open(sys.argv[2], errors="replace"):
    m = re.match(r"(\S+) (\d+) (\d+)", line)
    if m:
        passed += int(m.group(2))
        failed += int(m.group(3))
print(f"\n{int(sys.argv[3]) // 60} min {int(sys.argv[3]) % 60} s in all")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
