"""Reports: a record of results as text, in the format that the reader needs."""

from collections.abc import Callable
from importlib import import_module

from wsbench.errors import ResultsError
from wsbench.results import Results

# Where each format is rendered; imported when used, since only some need tabulate.
_RENDERERS = {
    "table": ("wsbench.report.table", "render_table"),
    "grid": ("wsbench.report.grid", "render_grid"),
    "markdown": ("wsbench.report.table", "render_markdown"),
    "rst": ("wsbench.report.table", "render_rst"),
    "csv": ("wsbench.report.data", "render_csv"),
    "json": ("wsbench.report.data", "render_json"),
}

# The same for what live connections cost, where that needs another table.
_LIVE_RENDERERS = _RENDERERS | {
    "table": ("wsbench.report.live", "render_live_table"),
    "markdown": ("wsbench.report.live", "render_live_markdown"),
    "rst": ("wsbench.report.live", "render_live_rst"),
}

# And for what buffers hold, which has no grid.
_BUFFERS_RENDERERS = {
    "table": ("wsbench.report.buffers", "render_buffers_table"),
    "markdown": ("wsbench.report.buffers", "render_buffers_markdown"),
    "rst": ("wsbench.report.buffers", "render_buffers_rst"),
    "csv": ("wsbench.report.data", "render_buffers_csv"),
    "json": ("wsbench.report.data", "render_json"),
}

FORMATS = tuple(_RENDERERS)
BUFFERS_FORMATS = tuple(_BUFFERS_RENDERERS)


def render(results: Results, format: str = "table", *, decode: bool = False) -> str:
    """The record as text in one of `FORMATS`, ending with a newline.

    With `decode`, tables show the times of decompressing too; CSV and JSON always hold them.

    Raises:
        ResultsError: if there is no such format, or not for such a record.
    """
    renderers = _RENDERERS if results.live is None else _LIVE_RENDERERS
    if results.buffers is not None:
        renderers = _BUFFERS_RENDERERS
    if format not in renderers:
        raise ResultsError(f"no report format {format!r}; choose one of {', '.join(renderers)}")
    module, name = renderers[format]
    renderer: Callable[[Results, bool], str] = getattr(import_module(module), name)
    return renderer(results, decode)
