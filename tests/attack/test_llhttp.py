"""llhttp's own cases of requests and targets, each with the verdict of a strict server (llhttp.txt)."""
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import cases
import running

CORPUS = Path(os.environ.get('COVET_CORPORA', ''), 'http')
VERDICTS = Path(__file__).with_name('llhttp.txt')
AUTHORITY = re.compile(rb' https?://([^/?# ]*)')
LINE = re.compile(r'(\d+) (.*? (?:kept|closed|waits))(?: / (.*? (?:kept|closed|waits)))?((?: saw .*?)?)(?: todo (.*))?')


def blocks(text):
    """(heading, input) of each case of a page: the fenced block before each block of events, once for several."""
    heading = fenced = ''
    for match in re.finditer(r'^#+ ([^\n]*)\n|^```(\w+)\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
        title, kind, content = match.groups()
        if title:
            heading = title
        elif kind in ('http', 'url'):
            fenced = content
        else:
            yield heading.replace('`', ''), fenced


def data_of(text):
    """The notation of the pages: lines end in CR LF, the last one in nothing, a backslash at the end joins two."""
    text = text.removesuffix('\n').replace('\\\n', '').replace('\n', '\r\n')
    plain = {'\\r': '\r', '\\n': '\n', '\\t': '\t', '\\f': '\f'}
    text = re.sub(r'\\[rntf]', lambda m: plain[m[0]], text)
    parts = re.split(r'\\x([0-9a-f]{2})', text)
    data = parts[0].encode()
    for code, rest in zip(parts[1::2], parts[2::2]):
        data += bytes([int(code, 16)]) + rest.encode()
    return data


def verdicts():
    """{(page, place): case without bytes}"""
    found, page = {}, ''
    for line in VERDICTS.read_text(encoding='ascii').splitlines():
        match = LINE.fullmatch(line)
        if line.startswith('# '):
            page = line[2:]
        elif match and page:
            place, expect, followed, saw, todo = match.groups()
            saw = [cases.read_saw(part) for part in saw.split(' saw ')[1:]]
            found[page, int(place)] = cases.Case(
                f'llhttp {page} {place}', '9112', page, expect=cases.read_expectation(expect), saw=saw, todo=todo or '',
                followed=cases.read_expectation(followed) if followed else None)
    return found


def as_it_is(case, data):
    """The verdict without a Host header: what would have been let through is refused."""
    asks = case.expect.statuses[:1] == [{200}] or (case.expect.connection == 'waits' and b'\r\n\r\n' in data.lstrip())
    if not asks or b' HTTP/1.0\r\n' in data.partition(b'\n')[0] + b'\n':
        return replace(case, data=data)
    return replace(case, data=data, expect=cases.read_expectation('400 closed'), followed=None, saw=[])


def both_ways(case, heading, data):
    case = replace(case, title=heading)
    authority = AUTHORITY.search(data)
    complete = cases.with_host(data, authority[1] if authority else b'a')
    if complete == data:
        return [replace(case, data=data)]
    return [replace(case, name=case.name + ' with Host', data=complete), as_it_is(case, data)]


def all_cases():
    found, wanted = [], verdicts()
    for path in [*sorted((CORPUS / 'request').glob('*.md')), CORPUS / 'url.md']:
        for place, (heading, text) in enumerate(blocks(path.read_text(encoding='utf-8')), 1):
            data = data_of(text)
            if path.name == 'url.md':
                data = b'GET ' + data + b' HTTP/1.1\r\n\r\n'
            found += both_ways(wanted.pop((path.stem, place)), heading, data)
    assert not wanted, f'verdicts without a case: {sorted(wanted)}'
    return found


if not CORPUS.is_dir():
    print('1..1\nok 1 - cases of llhttp # SKIP there are no corpora')
    sys.exit(0)
running.main('llhttp', "llhttp's own cases: what was expected, what was seen.", all_cases())
