"""The table of live connections: what each costs a real server, one row a settings."""

from collections.abc import Callable, Sequence

from tabulate import tabulate

from wsbench.report.prose import corpus_line, environment_line, warning_lines
from wsbench.report.units import DASH, counted, kib, microseconds, milliseconds
from wsbench.results import Live, LiveSummary, Results, Row


def render_live_table(results: Results, _decode: bool) -> str:
    """Plain text, with a heading above and notes below."""
    return "\n".join([*_heading(results), "", _table(results, "simple"), "", *_notes(results), ""])


def render_live_markdown(results: Results, _decode: bool) -> str:
    """A Markdown table, with the heading and the notes as paragraphs."""
    table = _table(results, "github")
    return "\n\n".join(["  \n".join(_heading(results)), table, *_notes(results)]) + "\n"


def render_live_rst(results: Results, _decode: bool) -> str:
    """A table in reStructuredText, and nothing else."""
    return _table(results, "rst") + "\n"


def live_quantities(results: Results) -> dict[str, Callable[[Row], str | None]]:
    """Titles of what was measured, each with the text that a row has for it."""
    summary = _summary(results)

    def size(value: Callable[[Live], int | None]) -> Callable[[Row], str | None]:
        def text(row: Row) -> str | None:
            size_bytes = value(row.live) if row.live else None
            return None if size_bytes is None else kib(size_bytes)

        return text

    kind = "" if summary.resident in ("uss", None) else f" ({summary.resident.upper()})"
    quantities: dict[str, Callable[[Row], str | None]] = {}
    if any(row.memory for row in results.rows):
        quantities["Allocated"] = lambda row: (
            kib(row.memory.connection_bytes) if row.memory else None
        )
    return quantities | {
        f"Resident{kind}: opened": size(lambda live: live.resident_opened_bytes),
        "after 1 message": size(lambda live: live.resident_after_one_bytes),
        f"after {counted(summary.messages, 'message')}": size(lambda live: live.resident_bytes),
        "CPU per message": _cpu,
        "Round trip p50 / p99": _round_trip,
    }


def _cpu(row: Row) -> str | None:
    if row.live is None or row.live.cpu_ns_per_message is None:
        return None
    return microseconds(row.live.cpu_ns_per_message, decimals=1)


def _round_trip(row: Row) -> str | None:
    if row.live is None or row.live.round_trip_ns is None:
        return None
    times = row.live.round_trip_ns
    return f"{milliseconds(times.p50)} / {milliseconds(times.p99)}"


def _table(results: Results, tablefmt: str) -> str:
    columns = {"Settings": lambda row: row.label, **live_quantities(results)}
    if _summary(results).implementation is None:
        columns["Negotiated"] = _negotiated
    return tabulate(
        [[cell(row) or "" for cell in columns.values()] for row in results.rows],
        headers=list(columns),
        tablefmt=tablefmt,
        disable_numparse=True,
    )


def _negotiated(row: Row) -> str | None:
    return None if row.live is None else row.live.negotiated or DASH


def _heading(results: Results) -> list[str]:
    summary = _summary(results)
    implementation = f", {summary.implementation}" if summary.implementation else ""
    lines = [
        corpus_line(results),
        environment_line(results),
        f"Server: {summary.server}{implementation}{', over TLS' if summary.tls else ''}; "
        f"{counted(summary.connections, 'connection')} from "
        f"{counted(summary.processes, 'client process')}, "
        f"{counted(summary.in_flight, 'message')} in flight",
    ]
    if results.partial:
        lines.append("Partial: the measurement did not finish; what is missing was not measured")
    return lines


def _notes(results: Results) -> list[str]:
    """Lines that say what the numbers are."""
    summary = _summary(results)
    parts = []
    if any(row.memory for row in results.rows):
        parts.append("Allocated: traced, in a process of its own, after two messages each way.")
    what = (
        "physical memory of the server's processes alone (USS)"
        if summary.resident != "rss"
        else "physical memory of the server's processes with what they share (RSS)"
    )
    parts.append(f"Resident: {what} that each connection of the second half adds.")
    kernel = [
        row.live.kernel_bytes
        for row in results.rows
        if row.live and row.live.kernel_bytes is not None
    ]
    if kernel:
        parts.append(f"In the kernel's socket buffers, both ends, wait up to {kib(max(kernel))}.")
    parts.append("CPU: the server's, a message in and its answer out.")
    lines = [" ".join(parts), *_opening(results)]
    if summary.implementation is None and any(row.deflate for row in results.rows):
        lines.append("Memory Level is not negotiated: what this server uses is not in the table.")
    return lines + warning_lines(results)


def _opening(results: Results) -> list[str]:
    """How fast connections were opened, and who set the pace."""
    lives = [row.live for row in results.rows if row.live and row.live.opened_per_second]
    rates = [live.opened_per_second for live in lives if live.opened_per_second is not None]
    shares = [live.opening_cpu_share for live in lives if live.opening_cpu_share is not None]
    if not rates:
        return []
    busy = ""
    if shares:
        percents = _span([100 * share for share in shares], "{:.0f}")
        busy = f", while the server used {percents}% of a processor"
    return [f"Opened: {_span(rates, '{:,.0f}')} connections per second{busy}."]


def _span(values: Sequence[float], form: str) -> str:
    """`1,200 to 1,400`, or one number where both are the same."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _summary(results: Results) -> LiveSummary:
    assert results.live is not None
    return results.live
