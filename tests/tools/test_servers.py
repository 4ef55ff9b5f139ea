"""tools/servers starts private servers and stops exactly those."""
import os
import sys
from pathlib import Path

import tap

SERVERS = tap.ROOT / 'tools' / 'servers'
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith('COVET_')}


def test_run_exports_where_the_servers_are_and_cleans_up(folder):
    env = ENVIRONMENT | {'TMPDIR': '/tmp', 'OUT': str(folder / 'out')}
    script = f'echo "$COVET_SERVERS $COVET_TEST_POSTGRES" > $OUT; {SERVERS} status; exit 7'
    code, output = tap.run(SERVERS, 'run', 'postgres', '--', 'sh', '-c', script, env=env)
    assert code == 7, output
    assert 'postgres: running' in output, output
    root, url = (folder / 'out').read_text().split()
    assert url.startswith('postgres://app@127.0.0.1:'), url
    assert not Path(root).exists()


def test_started_servers_last_until_they_are_stopped(_folder):
    script = f'eval "$({SERVERS} start)"; {SERVERS} status; {SERVERS} stop; {SERVERS} status'
    code, output = tap.run('sh', '-c', script, env=ENVIRONMENT | {'TMPDIR': '/tmp'})
    first, second = output.splitlines()
    assert code == 1 and first == 'postgres: running' and second.endswith('are stopped already'), output


def test_unknown_server_is_refused(_folder):
    code, output = tap.run(SERVERS, 'start', 'oracle', env=ENVIRONMENT)
    assert code == 1 and 'unknown server "oracle"; known: postgres' in output, output


def test_stop_refuses_a_folder_of_others(folder):
    (folder / 'precious').write_text('x')
    code, output = tap.run(SERVERS, 'stop', env=ENVIRONMENT | {'COVET_SERVERS': str(folder)})
    assert code == 1 and 'is not a folder of these servers' in output, output
    assert (folder / 'precious').exists()


tap.main(sys.modules[__name__])
