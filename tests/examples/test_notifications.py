"""The program of docs/notifications.md, built from its very text, does what the page says."""
import os
import re
import sys

import tap

PAGE = (tap.ROOT / 'docs' / 'notifications.md').read_text(encoding='utf-8')


def test_the_program_of_the_page_runs(folder):
    server = os.environ.get('COVET_TEST_POSTGRES')
    if not server:
        raise tap.Skip('COVET_TEST_POSTGRES is not set; run the tests with tools/servers run')
    code, output = tap.run(os.environ['NOTIFICATIONS'], cwd=folder, env=os.environ | {'TEST_DATABASE_URL': server})
    assert (code, output) == (0, 'all is well\n'), output


def test_another_engine_is_told_that_it_cannot(folder):
    code, output = tap.run(os.environ['NOTIFICATIONS'], cwd=folder,
                           env=os.environ | {'TEST_DATABASE_URL': 'sqlite::memory:'})
    assert code == 1 and 'bigserial' not in output, output


def test_the_limits_of_the_page_are_those_of_the_header(_folder):
    header = (tap.ROOT / 'include' / 'covet' / 'notify.h').read_text(encoding='utf-8')
    for name in 'CHANNEL', 'PAYLOAD':
        number = int(re.search(rf'CV_NOTIFY_{name}_MAX_BYTES (\d+)', header).group(1))
        assert f'{number:,} bytes' in PAGE, number


tap.main(sys.modules[__name__])
