"""What the HTTP benchmarks share: servers started on free ports, wrk run over them in turn, and the lines of the results.

A figure is requests by second of server CPU: requests that wrk saw answered, over the time that the server's processes
used meanwhile, in user space and in the kernel. The generator shares the machine with the server and often ends first, so the
wall rate, which is printed as well, ranks fast servers badly."""
import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf('SC_CLK_TCK')
ROUNDS = 5
SECONDS = 3
START_SECONDS = 20


def log(message):
    print(message, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def allow_descriptors(count):
    """As many open files as wanted, for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))


def get(port, path):
    """The body of a reply that must be 200."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request('GET', path)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise OSError(f'GET {path} is answered with {reply.status}')
        return body
    finally:
        connection.close()


def process_tree(pid):
    """The process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f'/proc/{parent}/task').iterdir():
                found += [int(child) for child in (task / 'children').read_text().split()]
    return found


class Server:
    """A running server: `name` is what the results call it, `path` what is asked."""

    def __init__(self, name, process, port, path):
        self.name, self.process, self.port, self.path = name, process, port, path

    def url(self):
        return f'http://127.0.0.1:{self.port}{self.path}'

    def cpu_seconds(self):
        """User and system time of its processes so far."""
        ticks = 0
        for pid in process_tree(self.process.pid):
            with contextlib.suppress(OSError):
                fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def memory(self, key='Rss'):
        """Bytes of its processes in memory; 'Pss' shares out what several use."""
        total = 0
        for pid in process_tree(self.process.pid):
            for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
                if line.startswith(key + ':'):
                    total += int(line.split()[1]) * 1024
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def wait_until_it_answers(server):
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            get(server.port, server.path)
            return
        except (OSError, http.client.HTTPException) as error:
            if server.process.poll() is not None or time.monotonic() > end:
                raise OSError(f'{server.name} does not answer: {error}') from error
        time.sleep(0.05)


def run_quietly(command, folder, environment=None):
    """A step of setting up; OSError with what it said when it fails."""
    output = subprocess.run([str(part) for part in command], cwd=folder, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    if output.returncode != 0:
        raise OSError(f'{command[0]} {command[1]} failed: {output.stdout.strip()}')


class Bench:
    """A folder of its own and the servers in it; leaving the `with` block stops and removes everything.

    Each start_... gives a Server, or None when the peer is not installed, which is said."""

    def __init__(self, name, build):
        self.name, self.build = name, build
        self.folder = None
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        if not shutil.which('wrk'):
            sys.exit(f'{self.name}: wrk is not installed (tools/bootstrap bench)')
        self.folder = Path(tempfile.mkdtemp(prefix=f'{self.name}-', dir=self.build))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def skip(self, peer, why):
        log(f'{self.name}: without {peer}: {why}')

    def start(self, name, command, path, port=None, environment=None, folder=None):
        """Run a server; without a port it prints the one it took."""
        process = subprocess.Popen([str(part) for part in command], cwd=folder or self.folder,
                                   env=os.environ | (environment or {}), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL if port else subprocess.PIPE, stderr=sys.stderr, text=True)
        server = Server(name, process, port, path)
        self.stack.callback(server.stop)
        if not port:
            server.port = int(process.stdout.readline() or 0)
        wait_until_it_answers(server)
        return server

    def start_peer(self, name, program, command, path, port, **more):
        """The same for a peer, which may be missing or not start here."""
        if not program or not shutil.which(program):
            return self.skip(name, 'not installed (tools/bootstrap bench)')
        try:
            return self.start(name, command, path, port, **more)
        except OSError as error:
            return self.skip(name, error)

    # ---- the servers ----

    def start_covet(self, path, database=None, files=None):
        arguments = [database or ''] + ([files] if files else [])
        return self.start('covet', [self.build / 'bench' / 'bench_http_server', *arguments], path)

    def start_h2o(self, path):
        program, port = self.build / 'bench' / 'peer_h2o', free_port()
        return self.start_peer('libh2o-evloop', str(program), [program, port], path, port)

    def start_nginx(self, path, location):
        """nginx with one worker; `location` is what stands in its server block."""
        port, config = free_port(), self.folder / 'nginx.conf'
        paths = '\n'.join(f'{kind}_temp_path {self.folder}/{kind};'
                          for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        config.write_text(f'''daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type text/plain; {paths}
server {{ listen 127.0.0.1:{port} backlog=511; {location} }} }}
''')
        program = shutil.which('nginx') or '/usr/sbin/nginx'
        return self.start_peer('nginx', program, [program, '-p', self.folder, '-e', 'stderr', '-c', config], path, port)

    def start_kore(self, path):
        if not shutil.which('kore') or not shutil.which('kodev'):
            return self.skip('kore', 'not installed (tools/bootstrap bench)')
        port, folder = free_port(), self.folder / 'kore_peer'
        run_quietly(['kodev', 'create', folder.name], self.folder)
        (folder / 'src' / 'kore_peer.c').write_text((HERE / 'peers' / 'kore_server.c').read_text())
        (folder / 'conf' / 'kore_peer.conf').write_text(f'''server plain {{
    bind 127.0.0.1 {port}
    tls no
}}
load ./kore_peer.so
workers 1
worker_max_connections 1024
worker_set_affinity 0
http_keepalive_time 600
domain * {{
    attach plain
    route {path} page
}}
''')
        try:
            run_quietly(['kodev', 'build'], folder)
        except OSError as error:
            return self.skip('kore', error)
        return self.start_peer('kore', 'kore', ['kore', '-f', '-n', '-r', '-c', 'conf/kore_peer.conf'], path, port,
                               folder=folder)

    def start_node(self, path, *arguments, name='node http', environment=None):
        port = free_port()
        return self.start_peer(name, 'node', ['node', HERE / 'peers' / 'node_server.js', port, *arguments], path, port,
                               environment=environment)

    def start_node_sqlite(self, path, database):
        """node with each library for SQLite that works here."""
        modules = self.install_npm('better-sqlite3')
        return [self.start_node(path, database, library, name=f'node http, {library}', environment={'NODE_PATH': str(modules)})
                for library in ('better-sqlite3', 'node:sqlite')]

    def install_npm(self, package):
        """A package of npm's registry in the build folder, once; where its modules are."""
        folder = self.build / 'npm'
        if not (folder / 'node_modules' / package).exists() and shutil.which('npm'):
            folder.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                run_quietly(['npm', 'install', '--no-audit', '--no-fund', '--prefix', folder, package], folder)
        return folder / 'node_modules'

    def start_fastapi(self, path, database):
        """FastAPI of Debian, under its uvicorn with uvloop and httptools."""
        port, python = free_port(), '/usr/bin/python3'
        return self.start_peer('fastapi under uvicorn', python,
                               [python, '-m', 'uvicorn', 'fastapi_server:app', '--port', port, '--no-access-log',
                                '--log-level', 'error', '--loop', 'uvloop', '--http', 'httptools',
                                '--app-dir', HERE / 'peers'],
                               path, port, environment={'BENCH_DATABASE': str(database)})


# ---- load ----

def start_wrk(server, seconds, connections=64, depth=1, paths=(), threads=1):
    """wrk as a process; `paths` instead of the server's own are asked in turn, `depth` requests at once."""
    command = ['wrk', f'-t{threads}', f'-c{connections}', f'-d{seconds}s', '-s', HERE / 'wrk_report.lua', server.url(), '--',
               depth, *paths]
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def report_of(server, wrk):
    """What wrk counted: {"requests", "seconds", "bytes", "errors"}. Waits for its end."""
    output = wrk.communicate()[0].strip()
    if wrk.returncode != 0:
        raise OSError(f'{server.name}: wrk failed: {output}')
    return json.loads(output.splitlines()[-1])


def measure(server, seconds, **load):
    """One sample: {'cpu': requests by second of server CPU, 'wall': requests by second}."""
    before = server.cpu_seconds()
    report = report_of(server, start_wrk(server, seconds, **load))
    used = server.cpu_seconds() - before
    if report['errors']:
        sys.exit(f'{server.name}: {report["errors"]} errors in {report["requests"]} requests')
    return {'cpu': report['requests'] / max(used, 1 / TICKS), 'wall': report['requests'] / report['seconds']}


def compare(bench, servers, wanted, what=None, rounds=ROUNDS, seconds=SECONDS, **load):
    """Measure the servers in turn, ours first, and print two lines a peer: by server CPU with the ratio that is wanted,
    and by the clock. The order turns from round to round."""
    ours, *peers = servers = [server for server in servers if server]
    samples = {server.name: [] for server in servers}
    for server in servers:
        report_of(server, start_wrk(server, 1, **load))
    for turn in range(rounds):
        for server in servers[turn % len(servers):] + servers[:turn % len(servers)]:
            samples[server.name].append(measure(server, seconds, **load))
    if not peers:
        sys.exit(f'{bench.name}: no peer is installed')
    label = f'{what}, ' if what else ''
    for kind, unit, means in (('cpu', 'requests/s of server CPU', 'server CPU'), ('wall', 'requests/s', 'wall')):
        figures = {name: statistics.median(sample[kind] for sample in taken) for name, taken in samples.items()}
        for peer in peers:
            ratio = round(figures[ours.name] / figures[peer.name], 2)
            line = {'bench': bench.name, 'what': label + means, 'unit': unit, 'ours': round(figures[ours.name]),
                    'peer': peer.name, 'theirs': round(figures[peer.name]), 'ratio': ratio, 'runs': rounds}
            if kind == 'cpu':
                line |= {'wanted': wanted, 'pass': ratio >= wanted}
            print(json.dumps(line), flush=True)


# ---- data ----

def make_list_database(path):
    """100 rows of 8 columns, stored as Covet stores them: moments as microseconds, truth as 0 and 1."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript('''
PRAGMA journal_mode = wal;
CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(100) NOT NULL, summary TEXT NOT NULL,
 vendor VARCHAR(50) NOT NULL, weight REAL NOT NULL, active BOOLEAN NOT NULL, created DATETIME NOT NULL, stock BIGINT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
 INSERT INTO items SELECT i, 'item number ' || i, 'a text of some forty to fifty bytes, about ' || i,
 'vendor ' || (i % 97), i * 0.25, i % 2, 1700000000000000 + i * 12345678, CASE WHEN i % 3 THEN i END FROM n;''')
    return path


def build_folder(arguments):
    return Path(arguments[1]).resolve()
