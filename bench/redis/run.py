#!/usr/bin/env python3
"""redis-benchmark against a real Redis 7.0 and Stele, alternating: run.py ORACLE_PORT STELE_PORT [REQUESTS].

Prints each test's throughput, the ratio, and the geometric mean, at pipeline depths 1 and 16."""
import math
import re
import subprocess
import sys

TESTS = ["set", "get", "incr", "lpush", "rpop", "sadd", "hset", "zadd", "lrange_100", "mset"]


def run(port, test, depth, n):
    out = subprocess.run(["redis-benchmark", "-p", str(port), "-c", "50", "-n", str(n), "-r", "1000000", "-P", str(depth), "-t", test, "-q"],
                         capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300).stdout
    return float(re.findall(r"([0-9.]+) requests per second", out)[-1])


def main():
    oracle, stele = int(sys.argv[1]), int(sys.argv[2])
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 200000
    for depth in (1, 16):
        ratios = []
        for test in TESTS:
            best = {oracle: 0.0, stele: 0.0}
            for _ in range(3):
                for port in (oracle, stele):
                    best[port] = max(best[port], run(port, test, depth, n))
            ratios.append(best[stele] / best[oracle])
            print("-P %-2d %-10s redis %9.0f  stele %9.0f  %.2fx" % (depth, test, best[oracle], best[stele], ratios[-1]), flush=True)
        print("-P %-2d geometric mean %.2fx, lowest %.2fx" % (depth, math.exp(sum(map(math.log, ratios)) / len(ratios)), min(ratios)))


if __name__ == "__main__":
    main()
