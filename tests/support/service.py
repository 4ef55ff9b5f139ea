"""What the end-to-end tests share: running a Covet program, serving with it, and asking it over HTTP."""
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager

# Nothing takes this long unless it is broken.
PATIENCE_S = 120


def environment(**settings):
    """The tests' own environment, without settings of whoever runs them."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(('DATABASE', 'HTTP_', 'LOG_', 'MIGRATIONS_'))}
    return kept | settings


class Program:
    """A Covet program in a working folder, with a database there."""

    def __init__(self, path, folder, database='app.db', **settings):
        self.path = str(path)
        self.folder = folder
        self.database = folder / database
        self.environment = environment(DATABASE_URL=f'sqlite:///{self.database}?busy_timeout=200', **settings)

    def run(self, *arguments, code=0, stdin=None, env=None, prefix=()):
        """Run a command to its end; (stdout, stderr). The exit status must be `code`."""
        done = subprocess.run([*prefix, self.path, *map(str, arguments)], cwd=self.folder,
                              env=self.environment | (env or {}), input=stdin, timeout=PATIENCE_S, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              **({} if stdin is not None else {'stdin': subprocess.DEVNULL}))
        assert done.returncode == code, f'{arguments}: {done.returncode}\n{done.stdout}{done.stderr}'
        return done.stdout, done.stderr

    def json(self, *arguments, **options):
        """Run a command with --json; what it says, as one value."""
        return json.loads(self.run(*arguments, '--json', **options)[0])

    def error(self, *arguments, code=1, **options):
        """What a command that must fail says on standard error."""
        return self.run(*arguments, code=code, **options)[1]

    def rows(self, sql):
        """What the database says, read by another process."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(sql).fetchall()

    @contextmanager
    def serving(self, *arguments, env=None, prefix=()):
        server = Server(self, arguments, env or {}, prefix)
        try:
            yield server
        finally:
            server.end()


class Server:
    """A program that serves on a free port; its log is collected in a file."""

    def __init__(self, program, arguments, env, prefix):
        self.log_path = program.folder / 'serve.log'
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen([*prefix, program.path, 'serve', '--port', '0', '--json', *arguments],
                                            cwd=program.folder, env=program.environment | env, text=True,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline() # serving begins with this line, or the process ends
        assert line, f'it does not serve: {self.log()}'
        self.said = said = json.loads(line)
        self.port = said['listening']['port']
        self.admin = said.get('admin') # its URL
        self.connection = None

    def log(self):
        return self.log_path.read_text(errors='replace')

    def connect(self):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE_S)

    def ask(self, method, target, body=None, headers=None):
        """(status, headers, body) of one request, JSON bodies decoded."""
        if self.connection is None:
            self.connection = self.connect()
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault('Content-Type', 'application/json')
        self.connection.request(method, target, body, headers)
        reply = self.connection.getresponse()
        data = reply.read()
        if data and 'json' in (reply.getheader('Content-Type') or ''):
            data = json.loads(data)
        return reply.status, reply.headers, data

    def get(self, target, status=200):
        got, _, body = self.ask('GET', target)
        assert got == status, f'{target}: {got} {body}'
        return body

    def post(self, target, body, status=201):
        got, _, reply = self.ask('POST', target, body)
        assert got == status, f'{target}: {got} {reply}'
        return reply

    def stop(self, with_signal=signal.SIGTERM):
        """Ask it to end; its exit status."""
        self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE_S)

    def end(self):
        if self.connection:
            self.connection.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                status = self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                status = self.process.wait()
            assert status == 0, f'it ended with {status}: {self.log()}'
        self.process.stdout.close()


def wait_until(condition, what):
    """Wait for a condition with a deadline; there is no other way to see what another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f'waited in vain: {what}'
        time.sleep(0.002)
