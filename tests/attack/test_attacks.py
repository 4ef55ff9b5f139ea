"""The attacks of attacks.txt, each alone, in front of an innocent request, and cut into pieces."""
from pathlib import Path

import cases
import running

running.main('attacks', 'Attacks on requests: what was expected, what was seen.',
             cases.read(Path(__file__).with_name('attacks.txt')))
