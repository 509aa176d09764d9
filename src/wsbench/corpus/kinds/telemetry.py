"""telemetry: measurements of machines in the field, forwarded to a dashboard."""

import random
from collections.abc import Iterator

from wsbench.corpus.kinds.encoding import json_message, milliseconds_since_epoch
from wsbench.corpus.model import Message

_SITES = ("rotterdam-2", "lyon-1", "gdansk-4")
_MODELS = ("PX-210", "PX-240", "CV-75")


def telemetry(rng: random.Random) -> Iterator[Message]:
    """Sixty devices that report in turn; every figure follows a random walk."""
    devices = [
        {
            "device": f"pump-{number:03d}",
            "serial": f"{rng.randrange(16**12):012X}",
            "site": rng.choice(_SITES),
            "model": rng.choice(_MODELS),
            "firmware": rng.choice(("3.1.4", "3.1.4", "3.2.0")),
        }
        for number in range(60)
    ]
    walks = [
        {
            "temperature_c": rng.uniform(35, 60),
            "pressure_bar": rng.uniform(2, 9),
            "flow_l_min": rng.uniform(80, 400),
            "vibration_mm_s": rng.uniform(0.4, 4),
            "current_a": rng.uniform(3, 20),
            "rpm": rng.uniform(900, 2900),
        }
        for _ in devices
    ]
    uptime_seconds = [rng.randrange(10**3, 10**7) for _ in devices]
    elapsed_seconds = 0.0
    turns = rng.sample(range(len(devices)), len(devices))
    while True:
        for number in turns:
            elapsed_seconds += rng.uniform(0.05, 0.3)
            walk = walks[number]
            for name in walk:
                walk[name] *= 1 + rng.gauss(0, 0.004)
            yield json_message(
                {
                    **devices[number],
                    "ts": milliseconds_since_epoch(elapsed_seconds),
                    "uptime_s": uptime_seconds[number] + int(elapsed_seconds),
                    "rssi_dbm": -rng.randrange(48, 92),
                    "metrics": {name: round(value, 3) for name, value in walk.items()},
                    "alarms": ["VIBRATION_HIGH"] if walk["vibration_mm_s"] > 3.8 else [],
                }
            )
