"""The program of docs/changes.md, built from its very text, does what the page says, on every engine."""
import os
import sys

import tap


def run_on(folder, url):
    code, output = tap.run(os.environ['CHANGES'], cwd=folder, env=os.environ | {'TEST_DATABASE_URL': url})
    assert (code, output) == (0, 'all is well\n'), output


def run_on_server(folder, variable):
    url = os.environ.get(variable)
    if not url:
        raise tap.Skip(f'{variable} is not set; run the tests with tools/servers run')
    run_on(folder, url)


def test_the_program_of_the_page_runs_on_sqlite(folder):
    run_on(folder, 'sqlite:///changes.db')


def test_the_program_of_the_page_runs_on_mariadb(folder):
    run_on_server(folder, 'COVET_TEST_MARIADB')


def test_the_program_of_the_page_runs_on_postgresql(folder):
    run_on_server(folder, 'COVET_TEST_POSTGRES')


tap.main(sys.modules[__name__])
