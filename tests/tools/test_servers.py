"""tools/servers starts private servers and stops exactly those."""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import tap

SERVERS = tap.ROOT / 'tools' / 'servers'
ALL = ['postgres', 'replica', 'pgbouncer', 'mariadb', 'mariadb_replica', 'redis']
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith('COVET_')}


def in_folder(folder):
    """The environment of a case that must not meet other people's servers."""
    path = os.environ['PATH'] + ':/usr/sbin'
    if not all(shutil.which(name, path=path) for name in ['redis-server', 'pgbouncer', 'mariadbd']):
        raise tap.Skip('not all servers are installed; tools/bootstrap test installs them')
    folder.chmod(0o755)
    return ENVIRONMENT | {'TMPDIR': str(folder)}


def left_over(folder):
    return [path.name for path in folder.glob('covet-servers.*')]


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_run_exports_where_the_servers_are_and_cleans_up(folder):
    env = ENVIRONMENT | {'TMPDIR': '/tmp', 'OUT': str(folder / 'out')}
    script = f'echo "$COVET_SERVERS $COVET_TEST_POSTGRES" > $OUT; {SERVERS} status; exit 7'
    code, output = tap.run(SERVERS, 'run', 'postgres', '--', 'sh', '-c', script, env=env)
    assert code == 7, output
    assert 'postgres: running' in output, output
    root, url = (folder / 'out').read_text().split()
    assert url.startswith('postgres://app@127.0.0.1:'), url
    assert not Path(root).exists()


def test_started_servers_last_until_they_are_stopped(folder):
    script = f'eval "$({SERVERS} start redis)"; {SERVERS} status; {SERVERS} stop; {SERVERS} status'
    code, output = tap.run('sh', '-c', script, env=in_folder(folder))
    first, second = output.splitlines()
    assert code == 1 and first == 'redis: running' and second.endswith('are stopped already'), output


def test_all_servers_work_with_each_other(folder):
    ask = ('psql -XAtq "$COVET_TEST_POSTGRES" -c "CREATE TABLE t AS SELECT pg_backend_pid() AS pid"; '
           'psql -XAtq "$COVET_TEST_PGBOUNCER" -c "SELECT 7"; '
           'redis-cli -u "$COVET_TEST_REDIS" CONFIG GET save | tail -n 1; '
           'until psql -XAtq "$COVET_TEST_POSTGRES_REPLICA" -c "SELECT pg_is_in_recovery() FROM t" 2>&1 | grep t$; '
           'do :; done; head -n 1 "$COVET_TEST_POSTGRES_DATA/postmaster.pid"; echo "$COVET_TEST_POSTGRES_PID"')
    code, output = tap.run(SERVERS, 'run', '--', 'sh', '-c', f'{SERVERS} status; {ask}', env=in_folder(folder))
    lines = output.splitlines()
    assert code == 0 and lines[:6] == [f'{name}: running' for name in ALL], output
    assert lines[6:9] == ['7', '', 't'] and lines[9] == lines[10] and int(lines[10]) > 1, output
    assert left_over(folder) == [], output


# Ask a MariaDB server of a URL: ask URL SQL
ASK = ("ask() { mariadb --no-defaults -N -e \"$2\" 2>&1 "
       r"$(echo $1 | sed -E 's#mysql://(.*):(.*)@(.*):(.*)/(.*)#-u\1 -p\2 -h\3 -P\4 \5#'); }; ")


def test_mariadb_and_its_replica(folder):
    script = ASK + '; '.join([
        'ask $COVET_TEST_MARIADB "CREATE TABLE t (a INT); SELECT @@binlog_format, @@gtid_strict_mode"',
        'until ask $COVET_TEST_MARIADB_REPLICA "SELECT COUNT(*) FROM t" | grep 0$; do :; done',
        'ask $COVET_TEST_MARIADB_REPLICA "INSERT INTO t VALUES (1)" | grep -o read-only',
        'ask $COVET_TEST_MARIADB_ADMIN "SHOW GRANTS" | grep -c ALL',
        'cat $COVET_TEST_MARIADB_DATA/../pid; echo $COVET_TEST_MARIADB_PID; test -S $COVET_TEST_MARIADB_SOCKET'])
    code, output = tap.run(SERVERS, 'run', 'mariadb_replica', '--', 'sh', '-c', script, env=in_folder(folder))
    lines = output.splitlines()
    assert code == 0 and lines[:4] == ['ROW\t1', '0', 'read-only', '1'], output
    assert lines[4] == lines[5] and left_over(folder) == [], output


def test_a_stopped_mariadb_ends_all_the_same(folder):
    script = 'kill -STOP $COVET_TEST_MARIADB_PID'
    code, output = tap.run(SERVERS, 'run', 'mariadb', '--', 'sh', '-c', script, env=in_folder(folder))
    assert code == 0 and left_over(folder) == [], output


def test_only_what_is_named_starts_and_what_it_needs(folder):
    code, output = tap.run(SERVERS, 'run', 'pgbouncer', '--', SERVERS, 'status', env=in_folder(folder))
    assert (code, output) == (0, 'postgres: running\npgbouncer: running\n'), output


def test_a_server_that_a_test_stopped_ends_all_the_same(folder):
    script = 'kill -STOP $COVET_TEST_POSTGRES_PID; pkill -STOP -P $COVET_TEST_POSTGRES_PID'
    code, output = tap.run(SERVERS, 'run', 'postgres', '--', 'sh', '-c', script, env=in_folder(folder))
    assert code == 0 and left_over(folder) == [], output


def test_what_a_killed_owner_left_is_stopped_by_the_next_start(folder):
    killed = subprocess.Popen([SERVERS, 'run', 'redis', '--', 'sh', '-c', 'echo $$; exec sleep 600'],
                              env=in_folder(folder), stdout=subprocess.PIPE, text=True)
    sleeper = int(killed.stdout.readline())
    killed.kill()
    killed.wait()
    os.kill(sleeper, signal.SIGKILL)
    killed.stdout.close()
    assert len(left_over(folder)) == 1
    redis = int((folder / left_over(folder)[0] / 'redis' / 'pid').read_text())
    code, output = tap.run(SERVERS, 'run', 'redis', '--', 'true', env=in_folder(folder))
    assert code == 0 and 'stopping those that were left' in output, output
    wait_until(lambda: not Path(f'/proc/{redis}/exe').exists())
    assert left_over(folder) == []


def test_what_others_use_is_left_alone(folder):
    script = f'eval "$({SERVERS} start redis)"; {SERVERS} run redis -- true; {SERVERS} status; {SERVERS} stop'
    code, output = tap.run('sh', '-c', script, env=in_folder(folder))
    assert (code, output) == (0, 'redis: running\n'), output


def test_a_server_that_cannot_start_ends_the_others(folder):
    programs = folder / 'programs'
    programs.mkdir()
    (programs / 'pgbouncer').write_text('#!/bin/sh\necho no such luck\nexit 1\n')
    (programs / 'pgbouncer').chmod(0o755)
    env = in_folder(folder) | {'PATH': f"{programs}:{os.environ['PATH']}"}
    code, output = tap.run(SERVERS, 'run', 'pgbouncer', 'redis', '--', 'echo', 'unreachable', env=env)
    assert code == 1 and 'could not start PgBouncer: no such luck' in output, output
    assert 'unreachable' not in output and left_over(folder) == [], output


def test_unknown_server_is_refused(_folder):
    code, output = tap.run(SERVERS, 'start', 'oracle', env=ENVIRONMENT)
    assert code == 1 and 'unknown server "oracle"; known: ' + ' '.join(ALL) in output, output


def test_stop_refuses_a_folder_of_others(folder):
    (folder / 'precious').write_text('x')
    code, output = tap.run(SERVERS, 'stop', env=ENVIRONMENT | {'COVET_SERVERS': str(folder)})
    assert code == 1 and 'is not a folder of these servers' in output, output
    assert (folder / 'precious').exists()


tap.main(sys.modules[__name__])
