"""ticker: what a market data feed sends to one subscriber."""

import random
from collections.abc import Iterator

from wsbench.corpus.kinds.encoding import iso_time, json_message
from wsbench.corpus.model import Message

# Instrument and a price to start from.
_INSTRUMENTS = {
    "BTC-USD": 94_210.0,
    "ETH-USD": 3_285.0,
    "SOL-USD": 187.4,
    "XRP-USD": 2.31,
    "ADA-USD": 0.97,
    "DOGE-USD": 0.341,
    "LTC-USD": 104.6,
    "LINK-USD": 21.8,
    "AVAX-USD": 38.9,
    "DOT-USD": 7.05,
    "ATOM-USD": 6.88,
    "UNI-USD": 13.4,
    "BTC-EUR": 91_050.0,
    "ETH-EUR": 3_174.0,
    "SOL-EUR": 181.1,
    "ETH-BTC": 0.03487,
}


def ticker(rng: random.Random) -> Iterator[Message]:
    """Trades and best quotes of 16 instruments; the busy ones tick most."""
    instruments = list(_INSTRUMENTS)
    weights = [1 / (rank + 1) for rank in range(len(instruments))]
    price = dict(_INSTRUMENTS)
    volume = {name: rng.uniform(1e3, 1e6) for name in instruments}
    sequence = rng.randrange(10**9, 10**10)
    trade_id = rng.randrange(10**8, 10**9)
    elapsed_seconds = 0.0
    while True:
        name = rng.choices(instruments, weights)[0]
        elapsed_seconds += rng.expovariate(50)
        sequence += rng.randrange(1, 40)
        price[name] *= 1 + rng.gauss(0, 0.0002)
        spread = price[name] * rng.uniform(0.00005, 0.0003)
        decimals = 2 if price[name] > 100 else 4 if price[name] > 1 else 6
        quote: dict[str, object] = {
            "bid": f"{price[name] - spread / 2:.{decimals}f}",
            "bid_size": f"{rng.expovariate(0.5):.8f}",
            "ask": f"{price[name] + spread / 2:.{decimals}f}",
            "ask_size": f"{rng.expovariate(0.5):.8f}",
        }
        if rng.random() < 0.4:
            trade_id += rng.randrange(1, 5)
            size = rng.expovariate(2)
            volume[name] += size
            event: dict[str, object] = {
                "type": "trade",
                "product_id": name,
                "sequence": sequence,
                "time": iso_time(elapsed_seconds),
                "trade_id": trade_id,
                "side": rng.choice(("buy", "sell")),
                "price": f"{price[name]:.{decimals}f}",
                "size": f"{size:.8f}",
                "volume_24h": f"{volume[name]:.8f}",
                **quote,
            }
        else:
            event = {
                "type": "quote",
                "product_id": name,
                "sequence": sequence,
                "time": iso_time(elapsed_seconds),
                **quote,
            }
        yield json_message(event)
