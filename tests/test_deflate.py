import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import any_settings
from wsbench import BROWSER, REFERENCE, DeflateSettings
from wsbench.deflate import is_negotiated, offer_factories, server_factory
from wsbench.settings import Offer, parse_offer

PMD = "permessage-deflate"


@pytest.mark.parametrize(
    ("settings", "header", "expected"),
    [
        ("12/5", f"{PMD}; server_max_window_bits=12; client_max_window_bits=12", True),
        ("12/9", f"{PMD}; client_max_window_bits=12; server_max_window_bits=12", True),
        ("12/5", f"{PMD}; server_max_window_bits=12", False),
        ("12/5", f"{PMD}; server_max_window_bits=11; client_max_window_bits=12", False),
        ("12/5", PMD, False),
        ("12/5", "", False),
        ("12/5", "x-other; server_max_window_bits=12; client_max_window_bits=12", False),
        ("15/8", PMD, True),
        ("15/8", f"x-other, {PMD}; server_max_window_bits=15", True),
        ("15/8", f"{PMD}; server_no_context_takeover", False),
        (
            "15/8, no context takeover",
            f"{PMD}; server_no_context_takeover; client_no_context_takeover",
            True,
        ),
        ("15/8, no context takeover", f"{PMD}; client_no_context_takeover", False),
        ("off", "", True),
        ("off", PMD, False),
        ("off", "x-other", True),
    ],
)
def test_is_negotiated(settings: str, header: str, expected: bool) -> None:
    offer = parse_offer(settings)
    assert offer != BROWSER
    assert is_negotiated(offer, header) is expected


@given(settings=any_settings)
def test_our_server_accepts_exactly_what_our_client_offers(settings: DeflateSettings) -> None:
    (client,) = offer_factories(settings) or []
    answer, _ = server_factory(settings).process_request_params(client.get_request_params(), [])
    words = [name if value is None else f"{name}={value}" for name, value in answer]
    assert is_negotiated(settings, "; ".join([PMD, *words]))


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (None, None),
        # Chrome's and Firefox's, as they send it.
        (BROWSER, [("client_max_window_bits", None)]),
        (REFERENCE, [("server_max_window_bits", "12"), ("client_max_window_bits", "12")]),
    ],
    ids=str,
)
def test_what_is_offered(offer: Offer, words: list[tuple[str, str | None]] | None) -> None:
    factories = offer_factories(offer)
    assert (factories and list(factories[0].get_request_params())) == words


@given(settings=st.one_of(any_settings, st.none(), st.just(BROWSER)))
def test_an_offer_is_read_as_it_is_written(settings: Offer) -> None:
    assert parse_offer("off" if settings is None else str(settings)) == settings
