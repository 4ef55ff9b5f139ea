"""Write the C program that a Markdown page shows: all its C blocks, in order, as one file.

    code_blocks.py PAGE.md OUTPUT.c"""
import re
import sys

page, output = sys.argv[1:]
with open(page, encoding='utf-8') as file:
    blocks = re.findall(r'^```c\n(.*?)^```$', file.read(), re.MULTILINE | re.DOTALL)
with open(output, 'w', encoding='utf-8') as file:
    file.write('\n'.join(blocks))
