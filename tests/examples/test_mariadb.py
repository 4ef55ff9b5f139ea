"""What docs/mariadb.md shows, taken from its very text: the first steps, the program, and every option."""
import os
import re
import subprocess
import sys

import bookshop
import service
import tap
from engines import mariadb

PAGE = (tap.ROOT / 'docs' / 'mariadb.md').read_text(encoding='utf-8')


def block(language):
    return re.search(r'^```' + language + r'\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL).group(1)


def need_server():
    if not os.environ.get('COVET_TEST_MARIADB_ADMIN'):
        raise tap.Skip('there is no server; run the tests with tools/servers run')


def test_the_first_steps_and_the_program(folder):
    need_server()
    drop = 'DROP DATABASE IF EXISTS shop; DROP USER IF EXISTS shop;'
    mariadb(drop + block('sql'))
    try:
        server = os.environ['COVET_TEST_MARIADB'].rpartition('@')[2].partition('/')[0]
        url = re.search(r'DATABASE_URL=(\S+)', block('sh')).group(1).replace('127.0.0.1', server)
        program = bookshop.fresh(folder)
        program.environment['DATABASE_URL'] = url
        program.run('makemigrations')
        for command in re.findall(r'^\./bookshop (\w+)$', block('sh'), re.MULTILINE):
            if command != 'serve':
                program.run(command)
        with program.serving() as served:
            assert served.post('/authors', bookshop.AUTHOR)['id'] == 1
        mariadb('GRANT REPLICA MONITOR ON *.* TO shop')
        done = subprocess.run([os.environ['MARIADB']], env=program.environment, capture_output=True, text=True,
                              timeout=service.PATIENCE_S, check=False)
        assert done.returncode == 0 and re.match(r'1\S*MariaDB\S*: \d+ of \d+ connections', done.stdout), done
    finally:
        mariadb(drop)


tap.main(sys.modules[__name__])
