"""The URLs of the web platform's own tests as request targets: as they are written, and as a browser sends them.

What is expected follows from the grammar (RFC 3986, RFC 9112 3.2), which is written down here once more; for what is
let through, the path must be the one that the test data says, decoded once."""
import ipaddress
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import cases
import running

DATA = Path(os.environ.get('COVET_CORPORA', ''), 'url', 'urltestdata.json')
SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*"
PATH = re.compile(rf'(?:/{SEGMENT})+')
# With those that browsers send as they are.
QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]{}|^\\`%-])*")
AUTHORITY = re.compile(r"([A-Za-z0-9._~!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
ABSOLUTE = re.compile(r'(?i:https?)://([^/?]*)(.*)', re.DOTALL)


def resolve(path):
    """The path without its dot segments; None where they lead above the root or hide behind an escaped slash."""
    found, parts = [], path[1:].split('/')
    for at, part in enumerate(parts, 1):
        name = unquote_to_bytes(part)
        if b'/' in name and {b'.', b'..'} & set(name.split(b'/')):
            return None
        if name == b'..':
            if not found:
                return None
            found.pop()
        if name not in (b'.', b'..'):
            found.append(part)
        elif at == len(parts):
            found.append('')
    return '/' + '/'.join(found)


def is_good_origin(target):
    path, mark, query = target.partition('?')
    return bool(PATH.fullmatch(path) and QUERY.fullmatch(query)) and '%00' not in path and resolve(path) is not None


def is_good_authority(authority):
    match = AUTHORITY.fullmatch(authority)
    if match and match[1].startswith('['):
        try:
            ipaddress.IPv6Address(match[1][1:-1])
        except ValueError:
            return False
    return bool(match)


def judge(target):
    """(whether it must be let through, its Host, the path)"""
    absolute = ABSOLUTE.fullmatch(target)
    authority, rest = absolute.groups() if absolute else ('a', target)
    if absolute and not rest.startswith('/'):
        rest = '/' + rest
    good = is_good_authority(authority)
    path = rest.partition('?')[0]
    return good and is_good_origin(rest), authority if good else 'a', resolve(path)


def case_of(name, title, target, pathname):
    good, host, path = judge(target)
    expect = cases.read_expectation('200 kept' if good else '400 closed')
    case = cases.Case(name, '9112 3.2', 'targets', title, expect=expect)
    case.data = f'GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode('utf-8', 'surrogatepass')
    if good:
        case.saw = [{'method': 'GET', 'path': unquote_to_bytes(pathname or path), 'body': b''}]
    return case


def is_web(url):
    return url and url.lower().startswith(('http:', 'https:'))


def targets(entry):
    """What of a test may be a target: (kind, target, the path that it must have, or None)."""
    written, pathname = entry['input'], entry.get('pathname')
    if is_web(written) or (written.startswith('/') and is_web(entry.get('base'))):
        if not re.search('[\r\n]', written): # the rest of the request would be another
            yield 'written', written, None if written.startswith('/') else pathname
    if entry.get('protocol') in ('http:', 'https:'):
        yield 'sent', pathname + entry['search'], pathname


def all_cases():
    found, known = [], set()
    for entry in json.loads(DATA.read_text(encoding='utf-8')):
        if isinstance(entry, str): # a remark
            continue
        for kind, target, pathname in targets(entry):
            if target not in known:
                known.add(target)
                found.append(case_of(f'target {len(found) + 1} {kind} {ascii(target)[1:-1][:60]}'.replace('#', '\\x23'), kind,
                                     target, pathname))
    return found


if not DATA.is_file():
    print('1..1\nok 1 - URLs of the web platform # SKIP there are no corpora')
    sys.exit(0)
running.main('targets', "URLs of the web platform's tests as targets: what was expected, what was seen.", all_cases())
