"""The program of docs/transactions.md, built from its very text, does what the page says; and the page has every error
that a database gives, with what the sources say of it."""
import os
import re
import sys

import tap

PAGE = (tap.ROOT / 'docs' / 'transactions.md').read_text(encoding='utf-8')
ROWS = {row[0]: row[1:] for row in re.findall(r'^\| `(CV_E_\w+)` \| ([^|]*) \| (yes|no) \| (\d+) \| ([^|]+) \|$', PAGE,
                                              re.MULTILINE)}


def source(*path):
    return tap.ROOT.joinpath(*path).read_text(encoding='utf-8')


def test_the_program_of_the_page_runs_on_sqlite(folder):
    code, output = tap.run(os.environ['TRANSACTIONS'], cwd=folder)
    assert (code, output) == (0, 'all is well\n'), output


def test_the_program_of_the_page_runs_on_postgresql(folder):
    server = os.environ.get('COVET_TEST_POSTGRES')
    if not server:
        raise tap.Skip('COVET_TEST_POSTGRES is not set; run the tests with tools/servers run')
    code, output = tap.run(os.environ['TRANSACTIONS'], cwd=folder, env=os.environ | {'TEST_DATABASE_URL': server})
    assert (code, output) == (0, 'all is well\n'), output


def test_every_error_of_a_database_is_on_the_page(_folder):
    header = re.sub(r'\\\n', '', source('include', 'covet', 'error.h'))
    group = re.search(r'/\* database \*/(.*?)/\*', header, re.DOTALL).group(1)
    codes = re.findall(r'X\((CV_E_\w+),', group)
    assert len(codes) > 20, codes
    missing = [code for code in codes if code not in ROWS]
    assert not missing, missing
    unknown = [code for code in ROWS if not re.search(rf'X\({code},', header)]
    assert not unknown, unknown


def test_what_is_transient_on_the_page_is_so(_folder):
    function = re.search(r'bool cv_error_is_transient.*?return true', source('src', 'base', 'error.c'), re.DOTALL).group(0)
    transient = set(re.findall(r'case (CV_E_\w+):', function))
    wrong = [code for code, row in ROWS.items() if (row[1] == 'yes') != (code in transient)]
    assert not wrong, wrong


def test_the_status_of_each_error_is_that_of_the_server(_folder):
    function = re.search(r'int cv_http_status.*?\n}', source('src', 'http', 'status.c'), re.DOTALL).group(0)
    status, waiting = {}, []
    for code, number in re.findall(r'case (CV_E_\w+):|return (\d+);', function):
        if code:
            waiting.append(code)
        else:
            status.update(dict.fromkeys(waiting, number))
            waiting = []
    wrong = {code: row[2] for code, row in ROWS.items() if row[2] != status.get(code, '500')}
    assert not wrong, wrong


def test_every_mapping_of_sqlstate_is_on_the_page(_folder):
    table = dict(re.findall(r'^\| (`[\w.`, ]+`) \| `(CV_E_\w+)` \|$', PAGE, re.MULTILINE))
    page = {(state.strip('.'), code) for states, code in table.items() for state in re.findall(r'`([\w.]+)`', states)}
    mapped = set(re.findall(r'\{"(\w+)", (CV_E_\w+)\}', source('src', 'db', 'postgres', 'errors.c')))
    assert page == mapped, page ^ mapped


def test_links_lead_somewhere(_folder):
    headings = {re.sub(r'[^a-z -]', '', heading.lower()).replace(' ', '-')
                for heading in re.findall(r'^## (.*)$', PAGE, re.MULTILINE)}
    for target in re.findall(r'\]\(([^)]*)\)', PAGE):
        assert target[1:] in headings if target.startswith('#') else (tap.ROOT / 'docs' / target).exists(), target


tap.main(sys.modules[__name__])
