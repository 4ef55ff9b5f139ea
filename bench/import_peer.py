#!/usr/bin/python3
"""The peer of the import benchmark: the same file into the same tables with Python's sqlite3.

    import_peer.py DATABASE FILE

The database has been made by `packages migrate`, so that tables, indexes and checks are the same. Written as one would who
knows the module: WAL, synchronous=FULL and foreign keys on as Covet has them, one transaction, executemany, identifiers
given by the program so that no row has to be read back."""
import re
import sqlite3
import sys

KINDS = ('Pre-Depends', 'Depends', 'Recommends', 'Suggests', 'Enhances', 'Breaks', 'Conflicts', 'Replaces', 'Provides')
TARGET = re.compile(r'\s*([^\s(:]+)(?::(\w+))?\s*(?:\(\s*([<>=]+)\s*([^)\s]+)\s*\))?')
MAINTAINER = re.compile(r'(.*?)\s*<([^>]*)>$')

INSERT_SECTION = 'INSERT INTO sections (id, name) VALUES (?, ?)'
INSERT_MAINTAINER = 'INSERT INTO maintainers (id, name, email) VALUES (?, ?, ?)'
INSERT_PACKAGE = '''INSERT INTO packages (id, name, architecture, version, status, priority, source, homepage, summary,
    description, installed_size, section_id, maintainer_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'''
INSERT_DEPENDENCY = '''INSERT INTO dependencies (package_id, kind, position, alternative, name, architecture, relation,
    version) VALUES (?, ?, ?, ?, ?, ?, ?, ?)'''


def open_database(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=FULL')
    connection.execute('PRAGMA foreign_keys=ON')
    return connection


def stanzas(path):
    """Each stanza as a dictionary of its fields; continuation lines are kept with their line breaks."""
    fields, name = {}, None
    with open(path, encoding='utf-8') as file:
        for line in file:
            line = line.rstrip('\n')
            if not line:
                if fields:
                    yield fields
                fields = {}
            elif line[0] in ' \t':
                fields[name] += '\n' + line
            else:
                name, _, value = line.partition(':')
                fields[name] = value.strip()
    if fields:
        yield fields


def dependency_rows(package_id, fields):
    for kind in KINDS:
        value = fields.get(kind)
        if not value:
            continue
        name_of_kind = kind.lower()
        for position, entry in enumerate(value.split(',')):
            for alternative, target in enumerate(entry.split('|')):
                yield package_id, name_of_kind, position, alternative, *TARGET.match(target).groups()


class Numbers(dict):
    """Gives every new key the next number."""

    def __missing__(self, key):
        self[key] = number = len(self) + 1
        return number


def read_rows(path):
    sections, maintainers, packages, dependencies, seen = Numbers(), Numbers(), [], [], set()
    for fields in stanzas(path):
        key = fields['Package'], fields.get('Architecture', 'all')
        status = fields.get('Status', 'available').split()[-1]
        if status == 'not-installed' or key in seen:
            continue
        seen.add(key)
        package_id = len(packages) + 1
        size, maintainer = fields.get('Installed-Size'), fields.get('Maintainer', 'unknown')
        match = MAINTAINER.match(maintainer)
        summary, _, description = fields.get('Description', '').partition('\n')
        packages.append((package_id, *key, fields.get('Version', 'unknown'), status, fields.get('Priority'),
                         fields.get('Source'), fields.get('Homepage'), summary, description, int(size) if size else None,
                         sections[fields.get('Section', 'unknown')],
                         maintainers[match.groups() if match else (maintainer, None)]))
        dependencies.extend(dependency_rows(package_id, fields))
    return sections, maintainers, packages, dependencies


def import_file(connection, path):
    sections, maintainers, packages, dependencies = read_rows(path)
    connection.execute('BEGIN')
    connection.executemany(INSERT_SECTION, ((number, name) for name, number in sections.items()))
    connection.executemany(INSERT_MAINTAINER, ((number, *who) for who, number in maintainers.items()))
    connection.executemany(INSERT_PACKAGE, packages)
    connection.executemany(INSERT_DEPENDENCY, dependencies)
    connection.execute('COMMIT')
    print(f'imported {len(packages)} packages of {len(sections)} sections and {len(maintainers)} maintainers '
          f'with {len(dependencies)} dependencies')


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: import_peer.py DATABASE FILE')
    connection = open_database(sys.argv[1])
    import_file(connection, sys.argv[2])
    connection.close()


if __name__ == '__main__':
    main()
