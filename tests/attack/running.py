"""Starts the victim, carries out cases, and reports each in TAP with the table."""
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import cases
import raw

# Sanitizers make it slow; nothing takes this long unless it is broken.
PATIENCE_S = 120


class Victim:
    """The process that is attacked, with a folder of files and a secret beside it."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.log_path = folder / 'victim.log'
        files = folder / 'files'
        files.mkdir()
        (files / 'hello.txt').write_bytes(b'hello, files\n')
        (files / '.hidden').write_bytes(cases.SECRET)
        (folder / 'secret.txt').write_bytes(cases.SECRET)
        (files / 'way-out').symlink_to('..')
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([os.environ['VICTIM'], files, *options], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line, f'the victim does not start: {self.log()}'
        self.port = json.loads(line)['listening']['port']

    def log(self):
        return self.log_path.read_text(errors='replace')

    def stats(self):
        with raw.connect(self.port) as client:
            client.send(b'GET /stats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            return json.loads(client.reply().body)

    def memory_kib(self):
        """Of the process, resident."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as status:
            return next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        return status


@contextmanager
def victim(*options):
    with tempfile.TemporaryDirectory() as folder:
        running = Victim(Path(folder), *options)
        try:
            yield running
        finally:
            status = running.end()
            if sys.exc_info()[0] is None:
                assert status == 0, f'the victim ended with {status}: {running.log()}'


def carry_out(port, case):
    """One row of the table, and what is wrong."""
    try:
        seen, wrong = cases.judge(port, case)
    except (AssertionError, OSError, raw.Malformed, ValueError) as error:
        seen, wrong = '?', [f'{type(error).__name__}: {error}']
    return (case.name, case.rfc, str(case.expect), str(seen), 'as expected' if not wrong else 'known to fail' if case.todo else 'WRONG'), wrong


def report(name, title, judged):
    """Cases of the TAP, and the table: into the build folder, and short as diagnostics."""
    lines = cases.table(row for row, _ in judged)
    folder = os.environ.get('ATTACK_TABLES')
    if folder:
        Path(folder, name + '.txt').write_text('\n'.join([title, '', *lines]) + '\n', encoding='utf-8')
    for line, (row, wrong) in zip(lines[1:], judged):
        todo = ' # TODO' if row[4] == 'known to fail' else ''
        print(('not ok - ' if wrong else 'ok - ') + row[0] + todo)
        print('# ' + line)
        for problem in wrong:
            print('#   ' + problem)


def check(name, condition, text):
    """A case of the TAP that is no attack."""
    print(('ok - ' if condition else 'not ok - ') + name)
    if not condition:
        for line in text.splitlines():
            print('# ' + line)
    return condition


def is_at_rest(stats):
    """Nothing is left but the connection and the request that ask."""
    return (stats['connections_open'], stats['requests_active'], stats['fibers']) == (1, 1, 1)


def rest(running):
    """What is left when the last connection was closed, which the victim sees a little later."""
    deadline = time.monotonic() + PATIENCE_S
    stats = {}
    while running.process.poll() is None and time.monotonic() < deadline:
        stats = running.stats()
        if is_at_rest(stats):
            break
    return stats


def main(name, title, judged_cases, skipped=()):
    """Run all cases against one victim; what remains of it afterwards is a case too."""
    failed = False
    print(f'1..{len(judged_cases) + len(skipped) + 3}')
    with tempfile.TemporaryDirectory() as folder:
        running = Victim(Path(folder))
        judged = [carry_out(running.port, case) for case in judged_cases]
        stats = rest(running)
        alive = running.process.poll() is None
        status = running.end()
        log = running.log()
    report(name, title, judged)
    for text in skipped:
        print(f'ok - {text} # SKIP')
    failed = any(row[4] == 'WRONG' for row, _ in judged)
    failed |= not check('nothing is left of it', bool(stats) and is_at_rest(stats), str(stats))
    failed |= not check('the victim lives, and ends well', alive and status == 0, f'{status}\n{log}')
    failed |= not check('its log is empty', not log, log)
    sys.exit(failed)
