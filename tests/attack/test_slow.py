"""Slow clients, some hundred at once: the others are served meanwhile, and the slow ones are gone after their limits."""
import math
import shutil
import sys

import running
import slow
import tap

EACH = 30 # of ten ways
# A whole machine may be busy with other things; without load it is a millisecond.
PROMPT_S = 5
# All limits are one second here; the minimum rates are the default.
LIMITS = [f'{name}_timeout_ms=1000' for name in ('header', 'body', 'idle', 'write')]


def lives(clients):
    return {way.name: sorted(round(c.lived_s, 1) for c in clients if c.way is way) for way in slow.WAYS}


def test_slow_clients_are_gone_after_their_limits_and_others_are_served(_):
    with running.victim(*LIMITS) as victim:
        clients, latencies = slow.crowd(victim.port, slow.WAYS, EACH, running.PATIENCE_S)
        stats = running.rest(victim)
        assert running.is_at_rest(stats), stats
        assert victim.log() == '', victim.log()
    assert all(c.lived_s < math.inf for c in clients), lives(clients)
    # Nobody is sent away before the limit, either: the clock of each begins a little after ours.
    assert min(c.lived_s for c in clients) > 0.8, lives(clients)
    wrong = {(c.way.name, c.status()) for c in clients if c.way.reads != 0 and c.status() != c.way.status}
    assert not wrong, wrong
    assert len(latencies) >= 8 and max(latencies) < PROMPT_S, sorted(latencies)[-5:]


def test_a_slow_reader_costs_no_memory_of_the_size_of_its_reply(_):
    readers = [way for way in slow.WAYS if way.reads is not None]
    with running.victim(*LIMITS) as victim:
        slow.probe(victim.port)
        before = victim.memory_kib()
        slow.crowd(victim.port, readers, 50, running.PATIENCE_S)
        grown = victim.memory_kib() - before
    # 100 readers of 8 MiB and more each: 800 MiB were asked for, and no more than a piece for each may be held.
    assert grown < 100 * 512, f'{grown} KiB'


def test_slowhttptest(_):
    if not shutil.which('slowhttptest'):
        raise tap.Skip('slowhttptest is not installed')
    with running.victim(*LIMITS) as victim:
        for mode in slow.MODES:
            latencies, stats, _, output = slow.attack_with(victim, mode, 3, 100)
            assert max(latencies) < PROMPT_S, (mode, sorted(latencies)[-5:])
            assert running.is_at_rest(stats), (mode, stats, output)
        assert victim.log() == '', victim.log()


tap.main(sys.modules[__name__])
