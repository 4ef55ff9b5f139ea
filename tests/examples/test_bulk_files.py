"""The program and the commands of docs/bulk-files.md, taken from its very text, do what the page says, on every engine."""
import json
import os
import re
import shutil
import subprocess
import sys

import bookshop
import service
import tap
from engines import own_database

PAGE = (tap.ROOT / 'docs' / 'bulk-files.md').read_text(encoding='utf-8')
ENGINES = 'sqlite', 'postgres', 'mariadb'


def test_the_program_of_the_page(folder):
    for engine in ENGINES:
        place = folder / engine
        place.mkdir()
        with own_database(engine, place) as url:
            program = service.Program(os.environ['BULK_FILES'], place)
            program.environment['DATABASE_URL'] = url
            program.run('makemigrations')
            program.run('migrate')
            (place / 'in.csv').write_text('name,born\n"Lem, Stanisław",1921\n')
            said, _ = program.run('tour', 'in.csv', 'out.jsonl')
            assert sorted(said.splitlines()) == [
                'Italo Calvino', 'Jorge Luis Borges, born in 1899', 'Lem, Stanisław, born in 1921'], (engine, said)
            written = [json.loads(line) for line in (place / 'out.jsonl').read_text().splitlines()]
            assert {row['name']: row['born'] for row in written} == {
                'Lem, Stanisław': 1921, 'Jorge Luis Borges': 1899, 'Italo Calvino': None}, written


def test_the_commands_of_the_page(folder):
    for name in 'gzip', 'head':
        if not shutil.which(name):
            raise tap.Skip(f'{name} is not installed')
    program = bookshop.migrated(folder)
    (folder / 'bookshop').symlink_to(program.path)
    (folder / 'authors.csv').write_text('id,name\n1,Lem\n')
    (folder / 'books.jsonl').write_text('{"id": 1, "title": "Solaris", "price": 9.5, "author_id": 1}\n')
    (folder / 'books.csv').write_text('title,price,author_id\nFiasko,9.50,1\n')
    subprocess.run(['gzip'], input='id,name\n2,Borges\n', stdout=open(folder / 'authors.csv.gz', 'wb'), text=True,
                   check=True)
    commands = re.search(r'^```sh\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL).group(1)
    done = subprocess.run(['sh', '-e', '-c', commands], cwd=folder, env=program.environment, capture_output=True,
                          text=True, timeout=service.PATIENCE_S, check=False)
    assert done.returncode == 0, done
    assert program.rows('SELECT name FROM authors ORDER BY id') == [('Lem',), ('Borges',)]
    assert program.rows('SELECT title FROM books') == [('Solaris',)]
    unpacked = subprocess.run(['gzip', '-dc', folder / 'authors.csv.gz'], capture_output=True, text=True, check=True)
    assert unpacked.stdout == 'id,name\n1,Lem\n2,Borges\n', unpacked


tap.main(sys.modules[__name__])
