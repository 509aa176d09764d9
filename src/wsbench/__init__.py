"""wsbench: what permessage-deflate costs and saves, for your own messages.

The Python API, which the command line uses itself:

    import wsbench

    corpus = wsbench.load_corpus("corpora/chat.json")
    results = wsbench.sweep(corpus)
    print(wsbench.render(results))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsbench._buffers import measure_buffers
    from wsbench._connections import (
        CommandServer,
        OwnServer,
        RunningServer,
        measure_connections,
    )
    from wsbench._sweep import Progress, SweepInterrupted, sweep
    from wsbench.buffers import Keepalive
    from wsbench.corpus import (
        Corpus,
        Message,
        Stream,
        StreamedCorpus,
        load_corpus,
        write_corpus,
    )
    from wsbench.errors import (
        CorpusError,
        MeasurementError,
        ResultsError,
        SettingsError,
        WsbenchError,
    )
    from wsbench.report import render
    from wsbench.results import Results, load_records, load_results
    from wsbench.settings import BROWSER, LADDER, REFERENCE, DeflateSettings, cross

__version__ = "0.1.0"

__all__ = [
    "BROWSER",
    "LADDER",
    "REFERENCE",
    "CommandServer",
    "Corpus",
    "CorpusError",
    "DeflateSettings",
    "Keepalive",
    "MeasurementError",
    "Message",
    "OwnServer",
    "Progress",
    "Results",
    "ResultsError",
    "RunningServer",
    "SettingsError",
    "Stream",
    "StreamedCorpus",
    "SweepInterrupted",
    "WsbenchError",
    "cross",
    "load_corpus",
    "load_records",
    "load_results",
    "measure_buffers",
    "measure_connections",
    "render",
    "sweep",
    "write_corpus",
]

# Where each public name is defined. They are imported at first use (PEP 562): importing all of
# them takes several times as long as `wsbench --help` may take.
_DEFINED_IN = {
    "BROWSER": "wsbench.settings",
    "LADDER": "wsbench.settings",
    "REFERENCE": "wsbench.settings",
    "CommandServer": "wsbench._connections",
    "OwnServer": "wsbench._connections",
    "RunningServer": "wsbench._connections",
    "measure_buffers": "wsbench._buffers",
    "measure_connections": "wsbench._connections",
    "Corpus": "wsbench.corpus",
    "DeflateSettings": "wsbench.settings",
    "Keepalive": "wsbench.buffers",
    "Message": "wsbench.corpus",
    "Progress": "wsbench._sweep",
    "Results": "wsbench.results",
    "Stream": "wsbench.corpus",
    "StreamedCorpus": "wsbench.corpus",
    "SweepInterrupted": "wsbench._sweep",
    "CorpusError": "wsbench.errors",
    "MeasurementError": "wsbench.errors",
    "ResultsError": "wsbench.errors",
    "SettingsError": "wsbench.errors",
    "WsbenchError": "wsbench.errors",
    "cross": "wsbench.settings",
    "load_corpus": "wsbench.corpus",
    "load_records": "wsbench.results",
    "load_results": "wsbench.results",
    "render": "wsbench.report",
    "sweep": "wsbench._sweep",
    "write_corpus": "wsbench.corpus",
}


def __getattr__(name: str) -> object:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_DEFINED_IN[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
