"""The program of the page about files (docs/static-files.md), built from its very text, does what the page says."""
import os
import re
import sys

import service
import tap


def files(folder):
    for name in ('public', 'pages', 'invoices'):
        (folder / name).mkdir()
    (folder / 'public' / 'app.js').write_text('let plain = 1;\n' * 100)
    (folder / 'public' / 'app.js.br').write_bytes(b'brotli')
    (folder / 'pages' / 'index.html').write_text('<h1>pages')
    (folder / 'invoices' / '3.pdf').write_bytes(bytes(range(256)) * 1000)
    return service.Program(os.environ['STATIC_FILES'], folder)


def test_folders(folder):
    with files(folder).serving() as server:
        status, headers, body = server.ask('GET', '/assets/app.js', headers={'Accept-Encoding': 'gzip, br'})
        assert (status, body) == (200, b'brotli'), body
        assert headers['Content-Encoding'] == 'br' and headers['Vary'] == 'Accept-Encoding', headers
        assert headers['Content-Type'] == 'text/javascript; charset=utf-8', headers
        assert headers['Cache-Control'] == 'max-age=31536000, immutable', headers
        assert server.ask('GET', '/assets/app.js', headers={'Accept-Encoding': 'identity'})[2].startswith(b'let plain')
        assert server.get('/docs/') == b'<h1>pages'
        assert server.ask('GET', '/docs')[0] == 301
        server.get('/assets/../invoices/3.pdf', 404)
        server.get('/assets/../../invoices/3.pdf', 400)
        server.get('/assets/nothing', 404)


def test_one_file(folder):
    with files(folder).serving() as server:
        status, headers, body = server.ask('GET', '/invoices/3')
        assert status == 200 and body == bytes(range(256)) * 1000
        assert headers['Content-Type'] == 'application/pdf', headers
        name = re.fullmatch(r"attachment; filename=\"(.*)\"; filename\*=UTF-8''(.*)", headers['Content-Disposition'])
        assert name.groups() == ('Rechnung f_r M_rz.pdf', 'Rechnung%20f%C3%BCr%20M%C3%A4rz.pdf'), name
        status, headers, body = server.ask('GET', '/invoices/3', headers={'Range': 'bytes=-2'})
        assert (status, body, headers['Content-Range']) == (206, b'\xfe\xff', 'bytes 255998-255999/256000'), headers
        etag = headers['ETag']
        assert server.ask('GET', '/invoices/3', headers={'If-None-Match': etag})[0] == 304
        assert server.ask('GET', '/invoices/3', headers={'Range': 'bytes=0-1', 'If-Range': '"x"'})[0] == 200
        server.get('/invoices/4', 404)


def test_conditions(folder):
    with files(folder).serving() as server:
        status, headers, _ = server.ask('GET', '/settings')
        assert (status, headers['ETag']) == (200, '"7"'), headers
        status, headers, _ = server.ask('GET', '/settings', headers={'If-None-Match': '"6", W/"7"'})
        assert (status, headers['Cache-Control']) == (304, 'no-cache'), headers
        assert server.ask('PUT', '/settings', headers={'If-Match': '"7"'})[0] == 200
        assert server.ask('PUT', '/settings', headers={'If-Match': '"7"'})[0] == 412
        assert server.ask('PUT', '/settings', headers={'If-None-Match': '*'})[0] == 412


tap.main(sys.modules[__name__])
