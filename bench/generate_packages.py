#!/usr/bin/env python3
"""Write a package index in the form of Debian's Packages files, of any size, always the same for the same size.

    generate_packages.py COUNT FILE

The shape is that of a distribution: a few sections, maintainers of whom some keep many packages, some five relations a
package, a tenth of them with alternatives, almost half with a version. Nothing in it is real."""
import sys

SECTIONS = ['admin', 'comm', 'database', 'debug', 'devel', 'doc', 'editors', 'electronics', 'fonts', 'games', 'gnome',
            'golang', 'graphics', 'haskell', 'httpd', 'interpreters', 'java', 'javascript', 'kde', 'libdevel', 'libs',
            'localization', 'lua', 'mail', 'math', 'misc', 'net', 'news', 'ocaml', 'perl', 'php', 'python', 'ruby', 'rust',
            'science', 'shells', 'sound', 'text', 'utils', 'vcs', 'video', 'web', 'x11', 'xfce']
PRIORITIES = ['optional'] * 96 + ['standard', 'important', 'required', 'extra']
SYLLABLES = ['ba', 'ce', 'di', 'fo', 'gu', 'ka', 'le', 'mi', 'no', 'pu', 'ra', 'se', 'ti', 'vo', 'xu', 'zan', 'mer', 'lin',
             'tor', 'vek']
WORDS = ['library', 'runtime', 'daemon', 'client', 'parser', 'toolkit', 'bindings', 'viewer', 'server', 'plugin', 'fast',
         'small', 'portable', 'simple', 'documentation', 'development', 'files', 'for', 'with', 'and']
KINDS = [('Pre-Depends', 3), ('Depends', 88), ('Recommends', 25), ('Suggests', 30), ('Enhances', 3), ('Breaks', 12),
         ('Conflicts', 10), ('Replaces', 14), ('Provides', 8)]
RELATIONS = ['>=', '>=', '>=', '=', '<<', '<=', '>>']


class Dice:
    """A generator of our own (SplitMix64): the library's sequences may differ between versions of Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ (mixed >> 31)) % limit

    def of(self, choices):
        return choices[self.below(len(choices))]

    def skewed_below(self, limit):
        """Small numbers far more often than large ones."""
        return self.below(self.below(self.below(limit) + 1) + 1)

    def word(self, syllables):
        return ''.join(self.of(SYLLABLES) for _ in range(syllables))


def package_name(number):
    """The name of package `number`, known before it is written, so that others can depend on it."""
    dice = Dice(number * 7919 + 17)
    prefix = dice.of(['', '', '', 'lib', 'python3-', 'node-', 'r-cran-', 'golang-'])
    suffix = dice.of(['', '', '', '-dev', '-doc', '-bin', '-common', '-dbg'])
    return f'{prefix}{dice.word(2 + dice.below(2))}{number}{suffix}'


def version(dice):
    text = f'{dice.below(20)}.{dice.below(40)}.{dice.below(12)}'
    if dice.below(10) == 0:
        text = f'{1 + dice.below(3)}:{text}'
    return f'{text}-{1 + dice.below(9)}' + ('+b1' if dice.below(5) == 0 else '')


def target(dice, count):
    name = package_name(dice.skewed_below(count)) + (':any' if dice.below(50) == 0 else '')
    return f'{name} ({dice.of(RELATIONS)} {version(dice)})' if dice.below(100) < 45 else name


def relation(dice, count):
    alternatives = 1 if dice.below(10) else 2 + dice.below(2)
    return ' | '.join(target(dice, count) for _ in range(alternatives))


def relations(dice, count):
    for kind, percent in KINDS:
        if dice.below(100) < percent:
            entries = 1 + dice.skewed_below(24 if kind == 'Depends' else 6)
            yield f'{kind}: ' + ', '.join(relation(dice, count) for _ in range(entries))


def words(dice, count):
    return ' '.join(dice.of(WORDS) for _ in range(count))


def maintainer(dice):
    number = dice.skewed_below(3000)
    own = Dice(number * 104729 + 3)
    first, last = own.word(2).capitalize(), own.word(3).capitalize()
    return f'{first} {last} <{first.lower()}.{last.lower()}{number}@example.org>'


def description(dice):
    """A summary, and for most packages some lines of text."""
    yield 'Description: ' + words(dice, 4 + dice.below(5))
    for _ in range(dice.below(6)):
        yield ' ' + ('.' if dice.below(5) == 0 else words(dice, 6 + dice.below(6)))


def stanza(number, count):
    dice = Dice(number * 1000003 + 11)
    lines = [f'Package: {package_name(number)}', *([f'Source: {dice.word(3)}'] if dice.below(2) else []),
             f'Version: {version(dice)}',
             f'Installed-Size: {10 + dice.skewed_below(200000)}', f'Maintainer: {maintainer(dice)}',
             f"Architecture: {dice.of(['amd64', 'amd64', 'all'])}", *relations(dice, count),
             *description(dice)]
    if dice.below(4):
        lines.append(f'Homepage: https://{dice.word(3)}.example.org/')
    lines += [f'Section: {dice.of(SECTIONS)}', f'Priority: {dice.of(PRIORITIES)}', f'Size: {900 + dice.below(9000000)}']
    return '\n'.join(lines) + '\n\n'


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: generate_packages.py COUNT FILE')
    count = int(sys.argv[1])
    with open(sys.argv[2], 'w', encoding='utf-8') as file:
        file.writelines(stanza(number, count) for number in range(count))


if __name__ == '__main__':
    main()
