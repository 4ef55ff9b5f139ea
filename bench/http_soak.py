#!/usr/bin/env python3
"""Full load for a long time: memory stays flat and nothing fails.

    http_soak.py BUILD [SECONDS]        default 20, a short form; the promise is for 600

wrk asks for texts, objects, lists and files in turn. After a tenth of the time, and five seconds at least, the server has
what it needs; from then on its memory is read every second, and the largest may be 5 % above the median of the first tenth of
these."""
import json
import statistics
import subprocess
import sys
import time

import http_bench

FLAT = 0.05
WARM_UP_SECONDS = 5
PATHS = ('/plaintext', '/json', '/list', '/static/file.bin', '/plaintext', '/json')


def watch(server, wrk):
    """The server's memory, every second until wrk ends."""
    samples = []
    while wrk.poll() is None:
        samples.append(server.memory())
        try:
            wrk.wait(1)
        except subprocess.TimeoutExpired:
            pass
    return samples


def growth(samples):
    """By which share the largest sample is above the usual one after the warm-up."""
    warm = samples[max(len(samples) // 10, WARM_UP_SECONDS):]
    return max(warm) / statistics.median(warm[:max(1, len(warm) // 10)]) - 1


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    if seconds < 2 * WARM_UP_SECONDS:
        sys.exit(f'soak: at least {2 * WARM_UP_SECONDS} seconds')
    with http_bench.Bench('soak', http_bench.build_folder(sys.argv)) as bench:
        files = bench.folder / 'static'
        files.mkdir()
        (files / 'file.bin').write_bytes(bytes(64 * 1024))
        database = http_bench.make_list_database(bench.folder / 'list.db')
        server = bench.start_covet('/plaintext', database, files)
        started = time.monotonic()
        wrk = http_bench.start_wrk(server, seconds, connections=400, paths=PATHS)
        samples = watch(server, wrk)
        report = http_bench.report_of(server, wrk)
        if server.process.poll() is not None:
            sys.exit(f'soak: the server ended with status {server.process.returncode}')
        http_bench.log(f'soak: {report["requests"]} requests in {time.monotonic() - started:.0f} s, memory from '
                       f'{min(samples) >> 10} to {max(samples) >> 10} KiB')
    for what, unit, ours, limit in (('errors', 'errors', report['errors'], 0),
                                    ('growth of memory', 'share', round(growth(samples), 4), FLAT)):
        print(json.dumps({'bench': 'soak', 'what': what, 'unit': unit, 'ours': ours, 'limit': limit, 'pass': ours <= limit,
                          'runs': 1}), flush=True)


if __name__ == '__main__':
    main()
