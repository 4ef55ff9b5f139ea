"""copy: rows of files into tables and out of them, bad files, and interruptions."""
import array
import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from contextlib import closing

import tap
from bookshop import migrated
from service import PATIENCE_S

AUTHORS = 'id,name\n1,Ursula K. Le Guin\n2,"Lem, Stanisław"\n'
BOOKS = ('id,title,price,pages,author_id\n1,A Wizard of Earthsea,9.50,183,1\n2,"The ""Left"" Hand",12,,1\n'
         '3,"Two\nlines",0.99,7,2\n')


def stocked(folder):
    """A migrated program with two authors and three books, copied in."""
    program = migrated(folder)
    (folder / 'authors.csv').write_text(AUTHORS)
    (folder / 'books.csv').write_text(BOOKS)
    program.run('copy', 'in', 'authors', 'authors.csv')
    program.run('copy', 'in', 'books', 'books.csv')
    return program


def refused(program, folder, text, *arguments, table='authors', name='bad.csv', **options):
    """What is said of a file that is refused; nothing of it is stored."""
    before = program.rows(f'SELECT count(*) FROM {table}')
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    error = program.error('copy', 'in', table, name, *arguments, **options)
    assert program.rows(f'SELECT count(*) FROM {table}') == before, program.rows(f'SELECT * FROM {table}')
    return error


def test_csv_in_and_out(folder):
    program = stocked(folder)
    assert program.rows('SELECT name FROM authors ORDER BY id') == [('Ursula K. Le Guin',), ('Lem, Stanisław',)]
    assert program.rows('SELECT title, price, pages FROM books ORDER BY id') == [
        ('A Wizard of Earthsea', 950, 183), ('The "Left" Hand', 1200, None), ('Two\nlines', 99, 7)]
    said, _ = program.run('copy', 'out', 'books', 'out.csv')
    assert 'copied 3 rows out of "books"' in said, said
    assert (folder / 'out.csv').read_text() == BOOKS.replace(',12,', ',12.00,'), (folder / 'out.csv').read_text()


def test_the_standard_streams(folder):
    program = stocked(folder)
    rows, said = program.run('copy', 'out', 'authors', '-')
    assert rows == AUTHORS and 'copied 2 rows' in said, (rows, said)
    lines, _ = program.run('copy', 'out', 'author', '-', '--format', 'jsonl', '--columns', 'name,id') # the model's name
    assert [json.loads(line) for line in lines.splitlines()] == [
        {'name': 'Ursula K. Le Guin', 'id': 1}, {'name': 'Lem, Stanisław', 'id': 2}], lines
    program.run('copy', 'in', 'authors', '-', stdin='name\nBorges\n')
    program.run('copy', 'in', 'authors', '-', '--format', 'jsonl', stdin='{"name": "Calvino"}\n')
    assert program.rows('SELECT id, name FROM authors WHERE id > 2') == [(3, 'Borges'), (4, 'Calvino')]


def test_round_trip_through_json_lines(folder):
    program = stocked(folder)
    before = program.rows('SELECT * FROM books ORDER BY id')
    assert program.json('copy', 'out', 'books', 'books.jsonl')['rows'] == 3
    with closing(sqlite3.connect(program.database)) as database, database:
        database.execute('DELETE FROM books')
    told = program.json('copy', 'in', 'books', 'books.jsonl')
    assert told == {'table': 'books', 'rows': 3, 'bytes': told['bytes'], 'stored': True}, told
    assert program.rows('SELECT * FROM books ORDER BY id') == before
    assert json.loads((folder / 'books.jsonl').read_text().splitlines()[1]) == {
        'id': 2, 'title': 'The "Left" Hand', 'price': 12, 'pages': None, 'author_id': 1}
    assert '"price":12.00' in (folder / 'books.jsonl').read_text()


def test_options_of_csv(folder):
    program = migrated(folder)
    program.run('copy', 'in', 'authors', '-', '--no-header', '--columns', 'id,name', stdin='7,Seven\n')
    program.run('copy', 'in', 'authors', '-', '--no-header', stdin='8,Eight\n') # the table's columns, in its order
    program.run('copy', 'in', 'authors', '-', '--delimiter', ';', stdin='id;name\n9;a,b\n')
    (folder / 'a.tsv').write_text('name\tid\nTen\t10\n')
    program.run('copy', 'in', 'authors', 'a.tsv')
    assert program.rows('SELECT * FROM authors ORDER BY id') == [(7, 'Seven'), (8, 'Eight'), (9, 'a,b'), (10, 'Ten')]
    out, _ = program.run('copy', 'out', 'authors', '-', '--delimiter', '\\t', '--no-header', '--columns', 'name')
    assert out == 'Seven\nEight\na,b\nTen\n', out
    program.run('copy', 'in', 'books', '-', '--null', 'NULL', stdin='title,price,pages,author_id\nx,1,NULL,7\n')
    assert program.rows('SELECT pages FROM books') == [(None,)]
    assert program.run('copy', 'out', 'books', '-', '--null', 'NULL', '--columns', 'pages')[0] == 'pages\nNULL\n'


def test_usage(folder):
    program = migrated(folder)
    for arguments, part in {
            ('in', 'authors'): 'too few arguments', ('up', 'authors', '-'): '"in" or "out", not "up"',
            ('in', 'authors', '-', '--format', 'xml'): 'there is no format "xml"',
            ('in', 'authors', '-', '--delimiter', 'ab'): 'must be one ASCII character',
            ('in', 'authors', '-', '--batch', '0'): 'a number from 1 on',
            ('in', 'authors', '-', '--columns', 'id,,name'): 'a name is missing',
            ('in', 'authors', '-', '--timeout', '5'): 'must be a duration such as "90s" or "10m", not "5"',
            ('in', 'authors', 'a.csv.gz'): '"a.csv.gz" is packed: read it from "gzip -dc a.csv.gz |" with -',
            ('out', 'authors', 'a.csv.zst'): '"a.csv.zst" would not be packed: write to "- | zstd > a.csv.zst"',
            ('out', 'authors', '-', '--dry-run'): 'are for copying in',
            ('in', 'authors', '-', '--format', 'jsonl', '--no-header'): 'are for CSV',
            ('in', 'authors', '-', '--colums', 'id'): 'did you mean "--columns"?'}.items():
        error = program.error('copy', *arguments, code=2)
        assert part in error, error


def test_help_tells_what_the_options_do(folder):
    said, _ = migrated(folder).run('copy', '--help')
    for option in '--format', '--columns', '--no-header', '--delimiter', '--null', '--batch', '--dry-run', '--timeout':
        assert f'\n{option} ' in said, said


def test_closed_standard_streams_are_told(folder):
    program = stocked(folder)
    for arguments, closed, part in (('in', 'authors', '-'), '<&-', 'could not read "standard input"'), \
                                   (('out', 'authors', '-'), '>&-', 'could not write "standard output"'):
        done = subprocess.run(['sh', '-c', f'exec "$0" copy "$@" {closed}', program.path, *arguments], cwd=folder,
                              env=program.environment, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 1 and part in done.stderr, done
    subprocess.run(['sh', '-c', 'exec "$0" copy out authors all.csv <&- >&- 2>&-', program.path], cwd=folder,
                   env=program.environment, timeout=PATIENCE_S, check=False)
    assert (folder / 'all.csv').read_text() == AUTHORS


def test_one_row_is_a_row(folder):
    program = migrated(folder)
    assert 'copied 1 row into' in program.run('copy', 'in', 'authors', '-', stdin='name\nx\n')[0]


def test_names_that_do_not_exist(folder):
    program = stocked(folder)
    error = program.error('copy', 'out', 'autors', '-')
    assert 'did you mean "authors"?' in error, error
    error = refused(program, folder, 'id;name\n5;x\n')
    assert "--delimiter ';'" in error, error
    error = program.error('copy', 'in', 'authors', 'missing.csv')
    assert 'missing.csv' in error and 'no such file' in error, error
    error = program.error('copy', 'out', 'author5', '-')
    assert 'author5' in error, error
    error = program.error('copy', 'out', 'authors', '-', '--columns', 'nam')
    assert '"nam"' in error and 'did you mean "name"?' in error, error
    error = refused(program, folder, 'id,nme\n5,x\n')
    assert '"nme"' in error and 'did you mean "name"?' in error, error


def test_wrong_number_of_columns(folder):
    program = stocked(folder)
    error = refused(program, folder, 'id,name\n5,x\n6\n')
    assert 'bad.csv, row 2, line 3: 1 column where 2 are expected' in error, error
    error = refused(program, folder, 'id,name\n5,x\n6,y,z\n')
    assert 'bad.csv, row 2, line 3: 3 columns where 2 are expected' in error, error


def test_bad_quoting(folder):
    program = stocked(folder)
    error = refused(program, folder, 'id,name\n5,x\n6,a"b\n')
    assert 'row 2, line 3, column "name": a quotation mark inside' in error and 'hint: ' in error, error
    error = refused(program, folder, 'id,name\n5,"x"y\n')
    assert 'row 1, line 2, column "name": there is something behind the closing quotation mark' in error, error


def test_bad_utf8(folder):
    program = stocked(folder)
    error = refused(program, folder, b'id,name\n5,x\n6,Stanis\xb3aw\n')
    assert 'row 2, line 3, column "name": the value is not valid UTF-8' in error, error
    error = refused(program, folder, b'{"id":5,"name":"\xb3"}\n', name='bad.jsonl')
    assert 'bad.jsonl, row 1, line 1' in error, error


def test_a_source_that_ends_in_the_middle(folder):
    program = stocked(folder)
    error = refused(program, folder, 'id,name\n5,x\n6,"Stan')
    assert 'row 2, line 3, column "name": the text ends inside of quotation marks' in error, error
    error = refused(program, folder, '{"id":5,"name":"x"}\n{"id":6,"na', name='bad.jsonl')
    assert 'bad.jsonl, row 2, line 2: it is not a JSON object' in error, error
    error = refused(program, folder, '')
    assert 'it is empty, and has no header' in error, error


def test_values_that_do_not_fit(folder):
    program = stocked(folder)
    for row, part in {
            '9,t,1.999,1,1': 'column "price": "1.999" is not a decimal number of at most 6 digits before and 2 after',
            '9,t,x,1,1': 'column "price": "x" is not a decimal number',
            '9,t,1,many,1': 'column "pages": "many" is not an integer',
            '9,t,1,1,99999999999999999999': 'column "author_id": "99999999999999999999" is not an integer'}.items():
        error = refused(program, folder, f'id,title,price,pages,author_id\n8,t,1,1,1\n{row}\n', table='books')
        assert f'bad.csv, row 2, line 3, {part}' in error, error
    told = json.loads(refused(program, folder, 'id,title,price,pages,author_id\n8,t,1,x,1\n', '--json', table='books'))
    assert told['error']['code'] == 'CV_E_SYNTAX' and told['error']['column'] == 'pages', told


def test_rows_that_break_a_constraint(folder):
    program = stocked(folder)
    error = refused(program, folder, 'id,name\n5,x\n1,y\n')
    assert 'bad.csv, row 2' in error and 'id' in error and 'because' not in error, error
    error = refused(program, folder, 'id,name\n5,\n')
    assert 'row 1' in error and 'name' in error, error


def test_batches_keep_what_they_committed(folder):
    program = migrated(folder)
    (folder / 'a.csv').write_text('id,name\n' + ''.join(f'{i},n{i}\n' for i in range(1, 26)) + '26\n')
    error = program.error('copy', 'in', 'authors', 'a.csv', '--batch', 10)
    assert 'row 26, line 27' in error and '20 rows of the batches before are stored' in error, error
    assert program.rows('SELECT count(*) FROM authors') == [(20,)]


def test_dry_run(folder):
    program = stocked(folder)
    (folder / 'more.csv').write_text('id,name\n5,x\n6,y\n')
    said, _ = program.run('copy', 'in', 'authors', 'more.csv', '--dry-run')
    assert 'checked 2 rows for "authors"' in said, said
    assert program.rows('SELECT count(*) FROM authors') == [(2,)]
    assert program.json('copy', 'in', 'authors', 'more.csv', '--dry-run')['stored'] is False
    for text, part in {'id,name\n5,x\n6,\n': 'row 2, line 3, column "name": it must not be null',
                       'id,name\n5,x\n6\n': '1 column where 2 are expected',
                       'id,nme\n5,x\n': 'did you mean "name"?',
                       'id,id\n5,6\n': '"id" is named twice',
                       f'id,name\n5,{"x" * 101}\n': 'column "name": '}.items():
        error = refused(program, folder, text, '--dry-run')
        assert part in error, error
    error = refused(program, folder, 'title,price,author_id\nx,-1,1\n', '--dry-run', table='books')
    assert 'column "price": it must be at least 0' in error, error


def test_a_full_disk(folder):
    program = stocked(folder)
    error = program.error('copy', 'out', 'authors', '/dev/full')
    assert 'could not write "/dev/full"' in error, error
    assert 'it is a folder' in program.error('copy', 'out', 'authors', folder)


def test_a_failed_copy_out_leaves_the_file_as_it_was(folder):
    program = stocked(folder)
    (folder / 'out.csv').write_text('precious')
    program.error('copy', 'out', 'authors', 'out.csv', '--columns', 'nope')
    assert (folder / 'out.csv').read_text() == 'precious'
    assert not list(folder.glob('*.part')), list(folder.iterdir())


def interrupted(program, *arguments, stdin=b''):
    """Start a copy from a pipe that stays open, interrupt it when it has read `stdin`; its exit status and error."""
    process = subprocess.Popen([program.path, 'copy', *arguments], cwd=program.folder, env=program.environment,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(stdin)
    process.stdin.flush()
    limit = time.monotonic() + PATIENCE_S
    while unread(process.stdin.fileno()) and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.stderr.read()
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    return process.wait(PATIENCE_S), error.decode()


def unread(fd):
    """The bytes in a pipe that nobody has read yet."""
    count = array.array('i', [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def test_an_interruption_leaves_nothing_half_done(folder):
    program = migrated(folder)
    rows = b'id,name\n' + b''.join(b'%d,name %d\n' % (i, i) for i in range(1, 20001))
    status, error = interrupted(program, 'in', 'authors', '-', stdin=rows)
    assert status == 130 and error.endswith('bookshop: interrupted: nothing is stored\n'), (status, error)
    assert program.rows('SELECT count(*) FROM authors') == [(0,)]
    status, error = interrupted(program, 'in', 'authors', '-', '--batch', '1000', stdin=rows)
    (stored,), = program.rows('SELECT count(*) FROM authors')
    assert status == 130 and stored % 1000 == 0, (status, stored, error)
    assert f'interrupted: {stored} rows of the batches before are stored' in error, error
    program.run('copy', 'out', 'authors', 'after.csv') # nothing is locked


def test_a_termination_tells_scripts(folder):
    program = stocked(folder)
    os.mkfifo(folder / 'silent')
    process = subprocess.Popen([program.path, 'copy', 'in', 'authors', 'silent', '--json'], cwd=folder,
                               env=program.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    writer = os.open(folder / 'silent', os.O_WRONLY) # when it has opened its end
    process.send_signal(signal.SIGTERM)
    told = json.loads(process.stderr.read())
    os.close(writer)
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 130 and told['error']['code'] == 'CV_E_CANCELLED', told


def test_a_time_limit(folder):
    program = migrated(folder)
    process = subprocess.Popen([program.path, 'copy', 'in', 'authors', '-', '--timeout', '200ms'], cwd=folder,
                               env=program.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write('id,name\n1,x\n')
    process.stdin.flush()
    error = process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 1 and 'could not copy within 200ms: nothing is stored' in error, error
    assert program.rows('SELECT count(*) FROM authors') == [(0,)]


def read_terminal(ours):
    """All that is drawn on a pseudo-terminal, of which the other side is with processes that end."""
    drawn, limit = b'', time.monotonic() + PATIENCE_S
    while time.monotonic() < limit and select.select([ours], [], [], PATIENCE_S)[0]:
        try:
            drawn += os.read(ours, 4096)
        except OSError: # its other side is closed
            break
    os.close(ours)
    return drawn


def test_rows_on_a_terminal_have_no_bar_among_them(folder):
    program = stocked(folder)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([program.path, 'copy', 'out', 'authors', '-'], cwd=folder, env=program.environment,
                               stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = read_terminal(ours)
    assert process.wait(PATIENCE_S) == 0
    assert b'Ursula' in drawn and b'copied 2 rows' in drawn and b'copying out' not in drawn, drawn


def test_a_progress_bar_on_a_terminal(folder):
    program = migrated(folder)
    (folder / 'a.csv').write_text('id,name\n' + ''.join(f'{i},name {i}\n' for i in range(1, 50001)))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([program.path, 'copy', 'in', 'authors', 'a.csv'], cwd=folder, env=program.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = read_terminal(ours)
    assert process.wait(PATIENCE_S) == 0
    process.stdout.close()
    assert b'copying in [' in drawn and b'100 %' in drawn and b'50000 rows' in drawn and b'MB' in drawn, drawn


tap.main(sys.modules[__name__])
