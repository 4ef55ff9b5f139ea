"""The program of docs/bulk.md, built from its very text, does what the page says, on every engine."""
import os
import sys

import tap

EXPECTED = ('60000 rows are stored\n'
            'the table "bulk_goods" has no column "nome": did you mean "name"?\n'
            '0 rows are stored\n')


def run_on(url, folder):
    if not url:
        raise tap.Skip('there is no server; run the tests with tools/servers run')
    code, output = tap.run(os.environ['BULK'], cwd=folder, env=os.environ | {'TEST_DATABASE_URL': url})
    assert (code, output) == (0, EXPECTED), output


def test_the_program_of_the_page_runs_on_sqlite(folder):
    run_on('sqlite:///bulk.db', folder)


def test_the_program_of_the_page_runs_on_postgresql(folder):
    run_on(os.environ.get('COVET_TEST_POSTGRES'), folder)


def test_the_program_of_the_page_runs_on_mariadb(folder):
    run_on(os.environ.get('COVET_TEST_MARIADB'), folder)


tap.main(sys.modules[__name__])
