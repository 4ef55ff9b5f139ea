"""`make demo` hands the database URL over as it is."""
import sys

import tap


def test_a_url_with_options_reaches_the_program_whole(folder):
    url = 'mysql://user@host/name?connect_timeout=1s&compress=true'
    code, output = tap.run('make', '-n', 'demo', f'DEMO_URL={url}', 'PORT=8000', f'BUILD={folder}', cwd=tap.ROOT)
    assert code == 0 and f"DATABASE_URL='{url}' PORT=8000 tools/demo" in output, output


tap.main(sys.modules[__name__])
