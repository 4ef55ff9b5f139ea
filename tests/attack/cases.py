"""Cases of attacks: how they are written down, what they expect, and how they are carried out.

A case file is text:

    # Group                             what the next cases have in common
    ## name (RFC 9112 6.3)              one case
    One sentence that says what it is.
    | POST / HTTP/1.1                   the bytes: each line ends in CR LF, unless with a backslash: then in nothing;
    | Host: a                           \\r \\n \\t \\0 \\f \\v \\\\ \\xNN are bytes, \\(text*N) repeats
    |
    expect 400 closed                   what is to happen
    followed 200 400 closed             ... with an innocent request behind it, when that makes a difference
    todo why                            it is known to fail
    whole                               in pieces, the reply may come before its end: there only the innocent one counts
    saw POST /path "body" x="value"     one line a request that is let through: what the server must have understood

What is expected: the statuses of all replies, then what becomes of the connection: `kept`, `closed`, or `waits` (it is
neither answered nor closed: more must come). A status may have alternatives: 400|413. No reply at all is `-`.

Every case is carried out alone, then in front of an innocent request on the same connection, then the same cut into
pieces. The innocent request must be answered when the connection is kept, once, and never otherwise."""
import os
import re
from dataclasses import dataclass, field

import raw

INNOCENT = b'GET /innocent HTTP/1.1\r\nHost: innocent.example\r\n\r\n'
SECRET = b'the secret beside the folder'
ESCAPES = {'r': '\r', 'n': '\n', 't': '\t', '0': '\0', 'f': '\f', 'v': '\v', '\\': '\\', '"': '"'}
ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|\((.*?)\*(\d+)\)|.)')
SAW = re.compile(r'([A-Z]+) (\S+)(?: "(.*?)")?(?: host="(.*?)")?(?: x="(.*?)")?')
# A server that does not close where it must is waited for: the one thing that takes long, and only when it fails.
PATIENCE_S = float(os.environ.get('ATTACK_PATIENCE', '20'))
OUR_OWN_FAULT = {500, 502, 503, 504}


@dataclass
class Expectation:
    statuses: list # sets of acceptable ones
    connection: str
    cut: bool = False # where it waits, the end may be answered with 400

    def __str__(self):
        return ' '.join(['|'.join(map(str, sorted(s))) for s in self.statuses] or ['-']) + ' ' + self.connection


@dataclass
class Case:
    name: str
    rfc: str
    group: str
    title: str = ''
    data: bytes = b''
    expect: Expectation = None
    followed: Expectation = None
    saw: list = field(default_factory=list)
    todo: str = ''
    whole: bool = False


# ---- reading ----

def unescape(text):
    def one(match):
        code = match[1]
        if code[0] == 'x':
            return chr(int(code[1:], 16))
        if code[0] == '(':
            return unescape(match[2]).decode('latin-1') * int(match[3])
        return ESCAPES[code]
    return ESCAPE.sub(one, text).encode('latin-1')


def read_line(text):
    """One line of bytes: with CR LF, unless it ends in a backslash that escapes nothing."""
    stripped = text.rstrip('\\')
    if (len(text) - len(stripped)) % 2:
        return unescape(text[:-1])
    return unescape(text) + b'\r\n'


def read_expectation(text):
    *statuses, connection = text.split()
    assert connection in ('kept', 'closed', 'waits'), text
    return Expectation([set(map(int, s.split('|'))) for s in statuses if s != '-'], connection)


def read_saw(text):
    match = SAW.fullmatch(text)
    assert match, text
    method, *rest = match.groups()
    path, body, host, x = (None if part is None else unescape(part) for part in rest)
    return {'method': method, 'path': path, 'body': body or b'', 'host': host, 'x': x}


def read_field(case, line):
    word, _, rest = line.partition(' ')
    if word == '|':
        case.data += read_line(rest)
    elif word == 'expect':
        case.expect = read_expectation(rest)
    elif word == 'followed':
        case.followed = read_expectation(rest)
    elif word == 'todo':
        case.todo = rest
    elif line == 'whole':
        case.whole = True
    elif word == 'saw':
        case.saw.append(read_saw(rest))
    else:
        case.title = f'{case.title} {line}'.strip()


def read(path):
    """All cases of a file."""
    cases, group, names = [], '', set()
    for line in path.read_text(encoding='ascii').splitlines():
        if line.startswith('# '):
            group = line[2:]
        elif line.startswith('## '):
            name, _, rfc = line[3:].rstrip(')').partition(' (')
            assert name not in names, f'two cases are named {name}'
            names.add(name)
            cases.append(Case(name, rfc, group))
        elif line and cases:
            read_field(cases[-1], line)
    for case in cases:
        assert case.data and case.expect and case.title and case.rfc, f'{case.name} is not complete'
    return cases


# ---- carrying out ----

@dataclass
class Seen:
    replies: list
    connection: str
    was_reset: bool = False

    def __str__(self):
        return ' '.join([str(r.status) for r in self.replies] or ['-']) + ' ' + self.connection


def understood(reply):
    """What the victim says that it understood."""
    facts = {}
    for line in reply.body.decode().splitlines():
        name, *values = line.split(' ')
        facts[name] = values[0] if name == 'method' else bytes.fromhex(values[1])
        if name == 'body':
            facts['length'] = int(values[0])
    return facts


def is_innocent(reply):
    return reply.status == 200 and b'path 9 ' + b'/innocent'.hex().encode() in reply.body


def heads(case):
    """Which replies, by their place, answer HEAD."""
    methods = [saw['method'] for saw in case.saw]
    return lambda index: (methods[index] if index < len(methods) else '') == 'HEAD' or (
        index == 0 and case.data.lstrip().startswith(b'HEAD '))


def attempt(port, case, expect, data, piece):
    """Send the data and see what comes. Our side is closed when what is expected has come, and stays open where the
    server is to close by itself."""
    head, replies = heads(case), []
    with raw.connect(port, patience=1 if case.todo else PATIENCE_S) as client:
        if piece:
            client.send_pieces(data, piece)
        else:
            client.send(data)
        if expect.connection != 'closed':
            client.replies_to(len(expect.statuses), head, replies)
            client.end()
        client.replies_to(None, head, replies)
    last = replies[-1] if replies else None
    connection = 'closed' if last and last.closes else 'kept' if replies else 'waits'
    if replies and expect.connection == 'waits' and not last.closes:
        connection = 'waits'
    return Seen(replies, connection, client.was_reset)


def problems(case, expect, seen):
    """What is not as it must be."""
    found = []
    statuses = [r.status for r in seen.replies]
    if expect.connection == 'waits' and expect.cut and statuses[-1:] == [400] and seen.replies[-1].closes:
        statuses.pop() # a handler that waited for the rest says so at the end
        seen = Seen(seen.replies, 'waits')
    if len(statuses) != len(expect.statuses) or any(s not in e for s, e in zip(statuses, expect.statuses)):
        found.append(f'replies {statuses}')
    if seen.connection != expect.connection:
        found.append(f'the connection is {seen.connection}')
    if seen.was_reset:
        found.append('the connection was reset')
    if OUR_OWN_FAULT & set(statuses):
        found.append('a failure of our own')
    if any(r.closes for r in seen.replies[:-1]):
        found.append('a reply behind the announced close')
    if any(SECRET in r.body for r in seen.replies):
        found.append('the secret is out')
    echoes = [understood(r) for r in seen.replies if r.header('x-method') and r.body]
    for index, saw in enumerate(saw for saw in case.saw if saw['method'] != 'HEAD'):
        got = echoes[index] if index < len(echoes) else {}
        for name, wanted in saw.items():
            if wanted is not None and got.get(name) != wanted:
                found.append(f'{name} is {got.get(name)!r}, not {wanted!r}')
    return found


def followed(case):
    """What is expected with the innocent request behind."""
    if case.followed:
        return case.followed
    if case.expect.connection == 'kept':
        return Expectation([*case.expect.statuses, {200}], 'kept')
    return case.expect


def answered_the_innocent(seen):
    return sum(is_innocent(r) for r in seen.replies)


def judge(port, case):
    """(what was seen, what is wrong with it) of all three ways."""
    wrong = []
    seen = attempt(port, case, case.expect, case.data, 0)
    wrong += [f'alone: {p}' for p in problems(case, case.expect, seen)]
    expect, both = followed(case), case.data + INNOCENT
    piece = 1 if len(both) < 3000 else len(both) // 2000 + 1
    for way, size in ('followed', 0), ('in pieces', piece):
        got = attempt(port, case, expect, both, size)
        if not (case.whole and size):
            wrong += [f'{way}: {p}' for p in problems(case, expect, got)]
        if answered_the_innocent(got) != (expect.connection == 'kept'):
            wrong.append(f'{way}: the innocent request was answered {answered_the_innocent(got)} times')
    return seen, wrong


def with_host(data, host=b'a'):
    """Requests without any Host header get one; for cases that are about something else."""
    if re.search(rb'[\r\n]host *:', data, re.IGNORECASE):
        return data
    return re.sub(rb'( HTTP/1\.1\r\n)', lambda match: match[1] + b'Host: ' + host + b'\r\n', data)


# ---- the table ----

def table(rows):
    """Lines of name | RFC | expected | seen | verdict, in columns."""
    rows = [('case', 'RFC', 'expected', 'seen', 'verdict'), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return [' | '.join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[4]]) for row in rows]
