"""Print a C code block of a Markdown page: those that are whole programs, in order, by number from 1."""
import re
import sys


def programs(text):
    blocks = re.findall(r'^```c\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if 'int main(' in block]


if __name__ == '__main__':
    page, number, output = sys.argv[1:]
    with open(page, encoding='utf-8') as file:
        program = programs(file.read())[int(number) - 1]
    with open(output, 'w', encoding='utf-8') as file:
        file.write(program)
