"""The attacks of attacks.txt, each alone, in front of an innocent request, and cut into pieces; those on bodies once
more where the handler reads the body as it comes."""
from dataclasses import replace
from pathlib import Path

import cases
import running

# What comes before the body is judged before any handler runs.
ON_BODIES = {'Content-Length', 'Transfer-Encoding', 'Chunks', 'Trailers', 'Expect'}


def as_a_stream(case):
    if case.expect.connection == 'waits':
        case = replace(case, expect=replace(case.expect, cut=True))
    return replace(case, name=case.name + ' (stream)', data=case.data.replace(b' /a HTTP/1.', b' /stream/a HTTP/1.'))


found = cases.read(Path(__file__).with_name('attacks.txt'))
found += [as_a_stream(case) for case in found if case.group in ON_BODIES]
running.main('attacks', 'Attacks on requests: what was expected, what was seen.', found)
