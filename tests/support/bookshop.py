"""The README's program, ready to be used."""
import os

import service

AUTHOR = {'name': 'Ursula K. Le Guin'}
BOOK = {'title': 'A Wizard of Earthsea', 'price': '9.50', 'pages': 183, 'author_id': 1}


def fresh(folder, **settings):
    """Nothing but the program."""
    return service.Program(os.environ['BOOKSHOP'], folder, 'bookshop.db', **settings)


def migrated(folder, **settings):
    """With its migrations made and applied."""
    program = fresh(folder, **settings)
    program.run('makemigrations')
    program.run('migrate')
    return program
