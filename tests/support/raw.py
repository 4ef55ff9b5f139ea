"""A raw client for HTTP over TCP or a unix socket: sends exactly the bytes it is given, in the pieces it is told, and
reads replies strictly: what a careful client would not take for a reply is an error (Malformed).

    with raw.connect(port) as c:
        c.send(b'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
        reply = c.reply()                   # one whole reply
        c.end()                             # close the sending side
        replies = c.replies_to_end()        # all that is left, up to the end of file
"""
import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field

# Nothing takes this long unless it is broken.
PATIENCE_S = 60

STATUS_LINE = re.compile(rb'HTTP/1\.[01] ([1-5][0-9][0-9]) [\t\x20-\x7e]*')
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
CHUNK = re.compile(rb'([0-9a-fA-F]{1,15})\r\n')


class Malformed(Exception):
    """What came is no reply."""


class Incomplete(Exception):
    """What came is the beginning of one."""


@dataclass
class Reply:
    status: int
    headers: list  # (lower-case name, value)
    body: bytes = b''
    trailers: list = field(default_factory=list)

    def header(self, name):
        """All values of a header, joined; None without one."""
        values = [value for key, value in self.headers if key == name]
        return ', '.join(values) if values else None

    @property
    def closes(self):
        return (self.header('connection') or '').lower() == 'close'


def parse_fields(data, at):
    """Fields up to the empty line; (fields, where it ends)."""
    fields = []
    while True:
        end = data.find(b'\r\n', at)
        if end < 0:
            raise Incomplete
        line, at = data[at:end], end + 2
        if not line:
            return fields, at
        match = FIELD.fullmatch(line)
        if not match:
            raise Malformed(f'a field: {line!r}')
        fields.append((match[1].decode().lower(), match[2].decode('latin-1')))


def parse_chunked(data, at):
    body = b''
    while True:
        end = data.find(b'\r\n', at)
        if end < 0:
            raise Incomplete
        match = CHUNK.fullmatch(data[at:end + 2])
        if not match:
            raise Malformed(f'a chunk: {data[at:end]!r}')
        size, at = int(match[1], 16), end + 2
        if size == 0:
            trailers, at = parse_fields(data, at)
            return body, trailers, at
        if len(data) < at + size + 2:
            raise Incomplete
        body += data[at:at + size]
        if data[at + size:at + size + 2] != b'\r\n':
            raise Malformed('a chunk that does not end')
        at += size + 2


def parse_reply(data, at=0, head=False, ended=False):
    """The reply that starts at `at`; (reply, where it ends). `head`: it answers HEAD. `ended`: no more will come."""
    end = data.find(b'\r\n', at)
    if end < 0:
        raise Incomplete
    match = STATUS_LINE.fullmatch(data[at:end])
    if not match:
        raise Malformed(f'a status line: {data[at:end]!r}')
    headers, at = parse_fields(data, end + 2)
    reply = Reply(int(match[1]), headers)
    names = [name for name, _ in headers]
    lengths, coding = names.count('content-length'), reply.header('transfer-encoding')
    if lengths > 1 or (lengths and coding) or coding not in (None, 'chunked'):
        raise Malformed(f'framing that can be read in two ways: {headers}')
    if head or reply.status < 200 or reply.status in (204, 304):
        return reply, at
    if coding:
        reply.body, reply.trailers, at = parse_chunked(data, at)
    elif lengths:
        length = int(reply.header('content-length'))
        if len(data) < at + length:
            raise Incomplete
        reply.body, at = data[at:at + length], at + length
    else: # up to the end of the connection
        if not ended:
            raise Incomplete
        reply.body, at = data[at:], len(data)
    return reply, at


class Raw:
    """One connection."""

    def __init__(self, address, patience=PATIENCE_S, receive_bytes=0):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ':' in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_bytes: # before the connection: the window is agreed on there
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(patience)
        self.patience = patience
        self.socket.connect(address)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b''  # read and not taken
        self.ended = False
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Send all of it, or as much as the server takes before it closes: that it did not is seen when reading. What
        it says meanwhile is read, so that neither side waits for the other."""
        view = memoryview(data)
        deadline = time.monotonic() + self.patience
        self.socket.setblocking(False)
        try:
            while view:
                readable, writable, _ = select.select([] if self.ended else [self.socket], [self.socket], [],
                                                      deadline - time.monotonic())
                assert readable or writable, 'the server takes nothing'
                if readable:
                    self.read_some()
                if writable:
                    try:
                        view = view[self.socket.send(view):]
                    except BlockingIOError:
                        pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.socket.settimeout(self.patience)

    def send_pieces(self, data, size=1):
        for at in range(0, len(data), size):
            self.send(data[at:at + size])

    def end(self):
        """Close our side."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError: # it is closed already
            pass

    def read_some(self):
        """Wait for more; False at the end."""
        if self.ended:
            return False
        try:
            part = self.socket.recv(1 << 16)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            part, self.was_reset = b'', True
        self.data += part
        self.ended = not part
        return not self.ended

    def read_to_end(self):
        while self.read_some():
            pass
        data, self.data = self.data, b''
        return data

    def reply(self, head=False):
        """One whole reply, informational ones (100) too; None at the end of the connection."""
        while True:
            try:
                reply, at = parse_reply(self.data, 0, head, self.ended)
            except Incomplete as error:
                if self.ended and not self.data:
                    return None
                if self.ended:
                    raise Malformed(f'the end of the connection within a reply: {self.data!r}') from error
                self.read_some()
                continue
            self.data = self.data[at:]
            return reply

    def replies_to(self, count, head, replies):
        """Append final replies, until there are `count` (None: to the end of the connection). `head` tells by the
        place of a reply whether it answers HEAD."""
        while count is None or len(replies) < count:
            reply = self.reply(head(len(replies)))
            if reply is None:
                return
            if reply.status >= 200:
                replies.append(reply)

    def replies_to_end(self, head=lambda index: False):
        """All final replies up to the end of the connection."""
        replies = []
        self.replies_to(None, head, replies)
        return replies

    def abort(self):
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def connect(port, host='127.0.0.1', **options):
    return Raw((host, port), **options)
