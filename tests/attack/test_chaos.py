"""The example in a storm of clients that leave and misbehave: it serves, and is at rest afterwards."""
import json
import os
import shutil
import sys

import chaos
import tap

SECONDS = int(os.environ.get('CHAOS_SECONDS', '20'))
SEED = 2026
# A sanitizer keeps what was freed for a while.
SANITIZED = os.environ.get('SANITIZED', 'none') != 'none'


def test_after_a_storm_nothing_is_left(folder):
    if not shutil.which('wrk'):
        raise tap.Skip('wrk is not installed')
    report = chaos.run(folder, SECONDS, SEED)
    text = json.dumps(report)
    print('# ' + text)
    assert report['requests'] > 0 and not report['errors'], text
    assert report['status'] == 0 and report['log'] == '', text
    assert SANITIZED or report['growth'] <= chaos.FLAT, text


tap.main(sys.modules[__name__])
