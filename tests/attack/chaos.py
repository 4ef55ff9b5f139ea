"""The example under full load, with clients that are killed, leave, misbehave and dawdle at random; then it must be as it
was before: no connection, request, fiber or stack in use, no socket more, and no more memory than after the storm before.

    chaos.py SECONDS [SEED]         PACKAGES names the program; tools/attacks --chaos BUILD SECONDS does that
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import raw
import service

FLAT = 0.05
STORMS = 4 # the time is divided
PATHS = ['/api/packages/chaos-7', '/api/packages?limit=5', '/api/packages?search=chaos-29', '/api/sections', '/', '/nothing']
PACKAGES = 300
STEADY, WILD = 100, 3 # connections of whoever behaves, and how many groups of 100 are killed at random
WORST = 600 # requests at once, more than a storm can have under way
MUST_BE_ZERO = re.compile(r'covet_http_connections\{|http_server_active_requests|covet_fibers|'
                          r'covet_fiber_stacks\{state="in_use"\}|covet_lane_(queued|busy)\{')


def package(number):
    return (f'Package: chaos-{number}\nStatus: install ok installed\nSection: s{number % 20}\nArchitecture: all\n'
            f'Maintainer: M{number % 50} <m{number % 50}@example.org>\nVersion: {number % 9}.{number}\nInstalled-Size: {number}\n'
            f'Depends: chaos-{number // 2}\nDescription: lib number {number}\n It is nothing real.\n\n')


class Abuser:
    """Opens connections and leaves them in every unfortunate moment."""

    def __init__(self, port, dice):
        self.port, self.dice = port, dice
        self.kept = []
        self.deeds = [self.half_a_head, self.leave_before_the_reply, self.many_and_leave, self.nonsense, self.half_a_body,
                      self.dawdle]

    def act(self):
        self.dice.choice(self.deeds)(raw.connect(self.port))
        while len(self.kept) > 40:
            self.leave(self.kept.pop(self.dice.randrange(len(self.kept))))

    def leave(self, client):
        if self.dice.random() < 0.5:
            client.abort()
        else:
            client.close()

    def request(self):
        return f'GET {self.dice.choice(PATHS)} HTTP/1.1\r\nHost: a\r\n\r\n'.encode()

    def half_a_head(self, client):
        request = self.request()
        client.send(request[:self.dice.randrange(len(request))])
        self.leave(client)

    def leave_before_the_reply(self, client):
        client.send(self.request())
        self.leave(client)

    def many_and_leave(self, client):
        client.send(b''.join(self.request() for _ in range(20)))
        self.leave(client)

    def nonsense(self, client):
        client.send(self.dice.randbytes(self.dice.randrange(1, 500)) + b'\r\n\r\n')
        self.leave(client)

    def half_a_body(self, client):
        client.send(b'POST /api/packages HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n' + b'x' * 500)
        self.leave(client)

    def dawdle(self, client):
        client.send(self.request())
        self.kept.append(client)

    def end(self):
        for client in self.kept:
            client.close()


def start_wrk(port, path, seconds, connections):
    return subprocess.Popen(['wrk', '-t', '1', '-c', str(connections), '-d', str(seconds), '--timeout', '60s', f'http://127.0.0.1:{port}{path}'],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def sockets(pid):
    count = 0
    for link in Path(f'/proc/{pid}/fd').iterdir():
        try:
            count += os.readlink(link).startswith('socket:')
        except FileNotFoundError: # closed meanwhile
            pass
    return count


def memory_kib(pid):
    return next(int(line.split()[1]) for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
                if line.startswith('Rss:'))


def series(server):
    with urllib.request.urlopen(server.admin + 'metrics', timeout=service.PATIENCE_S) as reply:
        lines = reply.read().decode().splitlines()
    return {line.rpartition(' ')[0]: float(line.rpartition(' ')[2]) for line in lines if not line.startswith('#')}


def unrest(server):
    """The series that ought to be zero and are not."""
    return {name: value for name, value in series(server).items() if MUST_BE_ZERO.match(name) and value}


class Wild:
    """Groups of a hundred connections that ask as fast as they can until they are killed."""

    def __init__(self, port, dice):
        self.port, self.dice = port, dice
        self.groups = [] # (when it is killed, process)

    def act(self, now):
        for group in [g for g in self.groups if g[0] < now]:
            self.kill(group)
        while len(self.groups) < WILD:
            process = start_wrk(self.port, self.dice.choice(PATHS), 60, 100)
            self.groups.append((now + self.dice.uniform(0.3, 3), process))

    def kill(self, group):
        self.groups.remove(group)
        group[1].kill()
        group[1].communicate()

    def end(self):
        for group in list(self.groups):
            self.kill(group)


def storm(server, seconds, dice):
    """What the one that behaves says."""
    steady = start_wrk(server.port, PATHS[0], seconds, STEADY)
    wild, abuser = Wild(server.port, dice), Abuser(server.port, dice)
    while steady.poll() is None:
        wild.act(time.monotonic())
        abuser.act()
        try:
            steady.wait(0.02) # the pace of the abuser
        except subprocess.TimeoutExpired:
            pass
    wild.end()
    abuser.end()
    return steady.communicate()[0]


def all_at_once(server, path):
    """As many requests in one moment as there will ever be: they are sent while the server is stopped. What it keeps for
    later (fibers with their stacks, buffers, connections) is then as much as it will ever keep."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        clients = [raw.connect(server.port) for _ in range(WORST)]
        for client in clients:
            client.send(f'GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'.encode())
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    for client in clients:
        client.replies_to_end()
        client.close()


def come_to_rest(server, before):
    service.wait_until(lambda: not unrest(server) and sockets(server.process.pid) <= before, 'rest after the storm')
    return memory_kib(server.process.pid)


def growth(memory):
    """Beyond what the worst moment and the first storm took."""
    return max(memory[2:]) / max(memory[:2]) - 1


def run(folder, seconds, seed):
    """What happened, as a dictionary."""
    dice = random.Random(seed)
    program = service.Program(os.environ['PACKAGES'], folder, 'packages.db')
    program.environment['MALLOC_TRIM_THRESHOLD_'] = '131072' # the 8 MiB of freed heap that cv_main keeps are no leak
    program.environment['DATABASE_URL'] += '&acquire_timeout=60s' # whoever waits is served: overload is not what is tried
    program.run('migrate')
    program.run('import', '-', stdin=''.join(package(number) for number in range(PACKAGES)))
    with program.serving('--admin-listen=127.0.0.1:0', '--log-level=error', '--http-request-timeout=60s') as server:
        server.get('/api/stats')
        server.connection.close()
        server.connection = None
        service.wait_until(lambda: not unrest(server), 'rest before the storm')
        before, said = sockets(server.process.pid), ''
        for path in PATHS[:5]:
            all_at_once(server, path)
        memory = [come_to_rest(server, before)]
        for _ in range(STORMS):
            said += storm(server, max(1, seconds // STORMS), dice)
            memory.append(come_to_rest(server, before))
        requests = sum(int(count) for count in re.findall(r'(\d+) requests in', said))
        connections = int(series(server)['covet_http_connections_total'])
        return {'seconds': seconds, 'seed': seed, 'requests': requests, 'connections': connections,
                'errors': re.findall(r'Socket errors:.*|Non-2xx.*', said), 'memory KiB': memory,
                'growth': round(growth(memory), 4), 'status': server.stop(signal.SIGTERM), 'log': server.log()}


def main():
    if not shutil.which('wrk'):
        sys.exit('chaos: wrk is not installed (tools/bootstrap bench)')
    seconds, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), seconds, seed)
    print(json.dumps(report, indent=1))
    sys.exit(bool(report['errors'] or report['log'] or report['status'] or report['growth'] > FLAT))


if __name__ == '__main__':
    main()
