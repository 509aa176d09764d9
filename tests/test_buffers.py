"""What cannot be measured of buffers is refused, or left out with the reason."""

import random
from typing import Any

import pytest

from wsbench import measure_buffers
from wsbench.corpus import Corpus, Message
from wsbench.errors import SettingsError
from wsbench.settings import REFERENCE

CORPUS = Corpus.of_messages("one", [Message(b"hello", True)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenarios": ["slow-reader", "nap"]}, "scenario 'nap': choose one of slow-reader"),
        ({"payloads": ["ones"]}, "payload 'ones': choose one of corpus"),
        ({"payloads": []}, "payloads: there are none"),
        ({"settings": []}, "settings: there are none"),
        ({"max_sizes": []}, "max_sizes: there are none"),
        ({"max_sizes": [3]}, "max_size 3: choose at least"),
        ({"max_queues": [10**9]}, "max_queue 1000000000: so many frames"),
        ({"write_limits": []}, "write_limits: there are none"),
        ({"write_limits": [1], "implementation": "sync"}, "write_limit: threads have no such"),
        ({"receive_buffer": 0}, "receive_buffer 0: choose 1 to"),
        ({"receive_buffer": 2**31}, "receive_buffer 2147483648: choose 1 to 2,147,483,647"),
        ({"handler": "a:b", "app_bytes": 1}, "handler and app_bytes: choose one"),
        ({"app_bytes": 2**40}, "app_bytes 1099511627776: 200 connections would take"),
        ({"stuck": 0}, "stuck 0: choose a number from 1"),
        ({"fast": -1}, "fast -1: choose a number from 0"),
        ({"rate": float("inf")}, "rate inf: choose a finite number"),
        ({"max_seconds": 0}, "max_seconds 0: choose a finite number"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        measure_buffers(CORPUS, **arguments)
    assert str(raised.value).startswith(message)


def test_a_message_that_grows_when_it_is_deflated_is_too_large() -> None:
    """As it is it would pass, as it comes it would not."""
    size = 4096
    corpus = Corpus.of_messages("random", [Message(random.Random(0).randbytes(size), False)])
    results = measure_buffers(
        corpus,
        ["slow-reader"],
        payloads=["corpus"],
        settings=[REFERENCE],
        max_queues=[3],
        max_sizes=[size],
    )
    assert results.buffers is not None
    assert results.buffers.slow_readers == ()
    (warning,) = results.warnings
    assert warning.startswith(
        "not measured: slow reader, corpus, 12/5, max_queue 3, max_size 4 KiB"
    )
    assert "is larger than max_size, 4,096" in warning


def test_write_buffers_that_would_not_fit_into_memory_are_left_empty() -> None:
    results = measure_buffers(CORPUS, ["slow-client"], settings=[None], write_limits=[2**50])
    assert results.buffers is not None
    assert results.buffers.slow_clients == ()
    assert len(results.warnings) == 2
    for warning in results.warnings:
        assert warning.startswith("not measured: slow client, off, write_limit ")
        assert "of the free memory" in warning
