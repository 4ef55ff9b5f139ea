"""The page of the example in a real browser: what it draws from the API."""
import os
import shutil
import subprocess
import sys

import service
import tap

BROWSER = shutil.which('chromium') or shutil.which('chromium-browser')
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--virtual-time-budget=10000']
LIST = '''Package: alpha
Status: install ok installed
Section: libs
Maintainer: Jane Doe <jane@example.org>
Architecture: amd64
Version: 1.0
Installed-Size: 300
Depends: beta (>= 1) | delta
Description: first of <b>all</b>
 A longer text.

Package: beta
Status: install ok installed
Section: net
Maintainer: Jane Doe <jane@example.org>
Architecture: amd64
Version: 2.0
Description: another one
'''


def drawn(folder, address):
    """The document as the browser holds it after the page's script ran."""
    if not BROWSER:
        raise tap.Skip('there is no chromium')
    program = service.Program(os.environ['PACKAGES'], folder, 'packages.db')
    program.run('migrate')
    program.run('import', '-', stdin=LIST)
    with program.serving() as server:
        done = subprocess.run([BROWSER, *FLAGS, f'--user-data-dir={folder}/profile', '--dump-dom',
                               f'http://127.0.0.1:{server.port}/{address}'],
                              capture_output=True, text=True, timeout=service.PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_list_is_drawn(folder):
    page = drawn(folder, '')
    assert page.count('class="row"') == 2 and '<strong>2</strong>' in page, page
    assert 'data-section="libs"' in page and '>dependencies</dt>' in page, page


def test_texts_are_never_html(folder):
    page = drawn(folder, '')
    assert 'first of &lt;b&gt;all&lt;/b&gt;' in page, page


def test_search_is_drawn(folder):
    page = drawn(folder, '#/?search=ALPH')
    assert page.count('class="row"') == 1 and '<mark>alph</mark>a' in page, page
    assert 'No package matches' in drawn(folder, '#/?search=zzz')


def test_package_is_drawn(folder):
    page = drawn(folder, '#/package/alpha')
    for part in '<title>alpha', 'A longer text.', '&gt;= 1', '#/package/delta', 'Referred to by':
        assert part in page, (part, page)
    page = drawn(folder, '#/package/beta')
    assert 'href="#/package/alpha' in page, page


def test_problems_are_shown(folder):
    assert 'there is no package "nope"' in drawn(folder, '#/package/nope')


tap.main(sys.modules[__name__])
