"""Slow clients: crowds that open connections and give or take next to nothing, while somebody else wants an answer.

    slow.py SECONDS [CONNECTIONS]       the long form: slowhttptest in its four modes, one after the other, against a server
                                        with its default limits (VICTIM names it; tools/attacks --slow does that)
"""
import math
import re
import select
import selectors
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import raw
import running

TICK_S = 0.1
PROBE = b'GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n'


@dataclass
class Way:
    """How to be slow: what is sent at first, what every tick, how many bytes are read every tick (None: all); and the
    status that the server must say before it closes (None: it closes without a word, or in the middle of a reply)."""
    name: str
    first: bytes
    drip: bytes = b''
    reads: int = None
    status: int = None


def post(*headers):
    return ('POST / HTTP/1.1\r\nHost: a\r\n' + ''.join(h + '\r\n' for h in headers) + '\r\n').encode()


WAYS = [
    Way('headers without an end', b'GET / HTTP/1.1\r\nHost: a\r\n', b'X: y\r\n', status=408),
    Way('a request line by letters', b'GET /', b'a', status=408),
    Way('empty lines without an end', b'\r\n', b'\r\n', status=408),
    Way('a body by bytes', post('Content-Length: 100000'), b'x', status=408),
    Way('a body by chunks', post('Transfer-Encoding: chunked'), b'1\r\nx\r\n', status=408),
    Way('a body that never comes', post('Content-Length: 5', 'Expect: 100-continue'), status=408),
    Way('nothing at all', b''),
    Way('nothing more', b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', status=200),
    Way('a reply by bytes', b'GET /flood?bytes=8388608 HTTP/1.1\r\nHost: a\r\n\r\n', reads=16, status=200),
    Way('requests without reading', b'GET /flood?bytes=65536 HTTP/1.1\r\nHost: a\r\n\r\n' * 20,
        b'GET /flood?bytes=65536 HTTP/1.1\r\nHost: a\r\n\r\n', reads=0),
]


@dataclass
class Client:
    way: Way
    raw: raw.Raw
    lived_s: float = 0
    got: bytearray = field(default_factory=bytearray)

    def was_cut(self):
        """Whether the server has reset it: a slow reader has much to read even then."""
        poller = select.poll()
        poller.register(self.raw.socket, 0) # errors and hang-ups are always told
        return bool(poller.poll(0))

    def tick(self):
        """Give and take a little; False when the server has closed."""
        try:
            if self.way.drip:
                self.raw.socket.send(self.way.drip)
            if self.way.reads != 0 and not self.take(self.way.reads or 1 << 16):
                return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        return not self.was_cut()

    def take(self, size):
        part = self.raw.socket.recv(size)
        if len(self.got) < 4096:
            self.got += part
        return bool(part)

    def status(self):
        """Of the last reply that has come."""
        found = re.findall(rb'HTTP/1\.1 ([2-5][0-9][0-9]) ', bytes(self.got))
        return int(found[-1]) if found else None


def open_client(port, way):
    client = Client(way, raw.connect(port, receive_bytes=4096 if way.reads is not None else 0))
    client.raw.socket.setblocking(False)
    if way.first:
        try:
            client.raw.socket.send(way.first)
        except OSError: # it was closed at once: seen when reading
            pass
    return client


def probe(port):
    """How long an ordinary request takes, connection and all."""
    started = time.monotonic()
    with raw.connect(port) as client:
        client.send(PROBE)
        assert client.reply().status == 200
    return time.monotonic() - started


def crowd(port, ways, each, patience_s):
    """Let `each` clients of each way loose, all at once; ([clients], [seconds of ordinary requests meanwhile])."""
    clients = [open_client(port, way) for _ in range(each) for way in ways]
    left, started, latencies = list(clients), time.monotonic(), []
    sleeper = selectors.DefaultSelector() # the pace of the clients, not a wait for anything
    while left and time.monotonic() - started < patience_s:
        latencies.append(probe(port))
        sleeper.select(TICK_S)
        still = []
        for client in left:
            if client.tick():
                still.append(client)
            else:
                client.lived_s = time.monotonic() - started
        left = still
    for client in clients:
        client.lived_s = client.lived_s or math.inf
        client.raw.close()
    return clients, latencies


# ---- the long form ----

MODES = {'slow headers': ['-H'], 'slow bodies': ['-B', '-s', '100000'], 'ranges': ['-R'],
         'slow reading': ['-X', '-w', '1', '-y', '64', '-n', '1', '-z', '5', '-k', '3']}


def start_slowhttptest(port, mode, seconds, connections):
    target = '/files/hello.txt' if mode == 'ranges' else '/flood?bytes=4194304' if mode == 'slow reading' else '/'
    return subprocess.Popen(['slowhttptest', *MODES[mode], '-c', str(connections), '-r', '200', '-i', '1', '-l', str(seconds),
                             '-p', '5', '-u', f'http://127.0.0.1:{port}{target}'], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def probe_until(process, port):
    sleeper, latencies = selectors.DefaultSelector(), []
    while process.poll() is None:
        latencies.append(probe(port))
        sleeper.select(TICK_S)
    return latencies


def attack_with(victim, mode, seconds, connections):
    """One mode of slowhttptest; (the longest ordinary request, what is left, memory in KiB, what it printed)."""
    with start_slowhttptest(victim.port, mode, seconds, connections) as process:
        output = []
        reader = threading.Thread(target=lambda: output.append(process.stdout.read()))
        reader.start()
        latencies = probe_until(process, victim.port)
        reader.join()
    return latencies, running.rest(victim), victim.memory_kib(), output[0]


def main():
    seconds = int(sys.argv[1])
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    if not shutil.which('slowhttptest'):
        sys.exit('slow: slowhttptest is not installed')
    with running.victim() as victim:
        print(f'{"mode":14} {"requests":>8} {"median ms":>9} {"worst ms":>8} {"memory KiB":>10} at rest')
        for mode in MODES:
            latencies, stats, memory, _ = attack_with(victim, mode, seconds, connections)
            latencies.sort()
            print(f'{mode:14} {len(latencies):8} {latencies[len(latencies) // 2] * 1e3:9.1f} {latencies[-1] * 1e3:8.1f} '
                  f'{memory:10} {running.is_at_rest(stats)}', flush=True)


if __name__ == '__main__':
    main()
