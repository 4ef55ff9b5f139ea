#!/usr/bin/env python3
"""Ten thousand fibers on fifty connections, queries of five milliseconds, against pgbench with fifty clients, in turn.

    pool_10k.py BUILD [ROUNDS]

Three lines: queries/s beside pgbench's, the 99th percentile of the wait by its median (after each fiber's first query),
and how often somebody was served before one who had come earlier."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENTS, QUERIES = 50, 50000
RATE, FAIR = 0.95, 1.2


def run_ours(build, url):
    output = subprocess.run([str(build / 'bench' / 'bench_pool_10k'), url + '?shared_connections=0'], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output)


def run_pgbench(url):
    with tempfile.NamedTemporaryFile('w', suffix='.sql') as script:
        script.write('SELECT pg_sleep(0.005);\n')
        script.flush()
        command = ['pgbench', '-n', '-M', 'prepared', '-c', str(CLIENTS), '-j', '1', '-t', str(QUERIES // CLIENTS), '-f',
                   script.name, url]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return float(re.search(r'tps = ([\d.]+)', output).group(1))


def main():
    build, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    url = os.environ['COVET_TEST_POSTGRES']
    ours, theirs = [], []
    for round_number in range(rounds):
        if round_number % 2:
            theirs.append(run_pgbench(url))
        ours.append(run_ours(build, url))
        if not round_number % 2:
            theirs.append(run_pgbench(url))
    rate, peer = statistics.median(o['queries'] / o['seconds'] for o in ours), statistics.median(theirs)
    fair = statistics.median(o['p99'] / o['median'] for o in ours)
    overtaken = max(o['overtaken'] for o in ours)
    print(json.dumps({'bench': 'pool-10k', 'what': 'queries', 'unit': '1/s', 'ours': round(rate, 1), 'peer': 'pgbench',
                      'theirs': round(peer, 1), 'ratio': round(rate / peer, 3), 'runs': rounds, 'wanted': RATE,
                      'pass': rate / peer >= RATE}), flush=True)
    print(json.dumps({'bench': 'pool-10k', 'what': 'p99 of the wait by the median', 'unit': 'times', 'ours': round(fair, 3),
                      'limit': FAIR, 'pass': fair <= FAIR, 'runs': rounds}), flush=True)
    print(json.dumps({'bench': 'pool-10k', 'what': 'served before one who came earlier', 'unit': 'times',
                      'ours': overtaken, 'limit': 0, 'pass': overtaken == 0, 'runs': rounds}), flush=True)


main()
