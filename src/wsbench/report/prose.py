"""What stands above and below a table: which messages, which versions, what the numbers mean."""

from wsbench.report.cells import WIDE, at_connections, time_columns
from wsbench.report.units import counted, kib, microseconds, percent, points, seconds
from wsbench.results import Results, TimingSummary


def heading(results: Results, mark: str = "*") -> list[str]:
    """Lines that say what was measured, on what, and what the reference amounts to.

    `mark` is how the table marks the reference.
    """
    lines = [corpus_line(results), environment_line(results)]
    if reference := _reference(results):
        lines.append(f"Reference ({mark}) {results.reference}: {reference}")
    if results.partial:
        lines.append("Partial: the sweep did not finish; what is missing was not measured")
    return lines


def corpus_line(results: Results) -> str:
    """Which messages were measured."""
    corpus = results.corpus
    parts = [
        f"{corpus.name}: {counted(corpus.messages, 'message')}",
        counted(corpus.bytes, "byte"),
        counted(corpus.streams, "stream"),
    ]
    if corpus.connections is not None and corpus.connections != 1:
        parts[-1] += f" of {counted(corpus.connections, 'connection')}"
    if corpus.directions:
        parts.append(f"sent by the {' and the '.join(corpus.directions)}")
    return ", ".join(parts)


def environment_line(results: Results) -> str:
    """With which versions, on what."""
    environment = results.environment
    return (
        f"websockets {environment.websockets}, zlib {environment.zlib}, "
        f"{environment.implementation} {environment.python}, "
        f"{environment.os} {environment.machine}, {environment.cpus} × {environment.cpu or 'CPU'}"
    )


def warning_lines(results: Results) -> list[str]:
    """What disturbed the measurement, or was changed to fit the machine."""
    return [f"Warning: {warning}" for warning in results.warnings]


def notes(results: Results, decode: bool) -> list[str]:
    """Lines that say what the numbers are, and what they are not.

    `decode` tells whether the table shows the times of decompressing.
    """
    parts = []
    if memory := [row.memory for row in results.rows if row.memory]:
        most = max(item.connection_stdev_bytes for item in memory)
        parts.append(
            f"Memory: allocated per connection by a websockets server, mean of "
            f"{memory[0].connections} (σ ≤ {kib(most)}); resident memory differs."
        )
    if resident := [row.resident for row in results.rows if row.resident]:
        kind = "physical memory" if resident[0].kind == "uss" else "physical memory (RSS)"
        parts.append(
            f"Resident memory: {kind} of each of {resident[0].connections} live connections, after "
            f"{counted(resident[0].messages, 'message')} each way."
        )
    if any(row.size for row in results.rows):
        parts.append("Size: payload bytes; all messages compressed once, in order, and verified.")
    if results.timed_connections():
        parts.append("Time: compressing a message, with its 95% interval.")
    lines = [" ".join(parts)] if parts else []
    lines += [_timing(results, timing, decode) for timing in results.timing]
    return lines + warning_lines(results)


def _timing(results: Results, timing: TimingSummary, decode: bool) -> str:
    """How the times with some number of connections came about, and what ended the timing."""
    if timing.connections == 1:
        where = "On one connection that is always busy"
        times = [row.time_at(1) for row in results.rows]
        timed = max((time.sampled_messages for time in times if time), default=0)
        if 0 < timed < results.corpus.messages:
            where += f", by {timed:,} of the {results.corpus.messages:,} messages"
    else:
        sent = "the same message" if timing.traffic == "broadcast" else "messages of its own"
        where = f"At {timing.connections:,} connections, used in turn, each sending {sent}"
    wanted, took = f"± {points(timing.precision)}", seconds(timing.seconds)
    wide = any(
        column.is_wide(row)
        for column in time_columns(results, decode=decode)
        if column.connections == timing.connections
        for row in results.rows
    )
    if timing.stopped == "precision":
        end = f"known after {took}" if wide else f"all known to {wanted} after {took}"
    elif timing.stopped == "interrupted":
        end = f"interrupted after {took}"
    elif timing.stopped == "decided":
        end = f"ended after {took}, when all verdicts were known"
    else:
        end = f"the time, {took}, was up"
    return f"{where}: {end}{f'; {WIDE} is wider than {wanted}' if wide else ''}."


def _reference(results: Results) -> str:
    """The reference in absolute figures, as far as they were measured."""
    parts = []
    row = results.row(results.reference)
    if row and row.memory:
        parts.append(f"{kib(row.memory.connection_bytes)} per connection")
    if row and row.resident:
        parts.append(f"{kib(row.resident.connection_bytes)} resident")
    if row and row.size and row.size.original_bytes:
        share = percent(row.size.compressed_bytes / row.size.original_bytes)
        parts.append(f"compressed to {share} of the bytes")
    for time in row.time if row else ():
        encode, decode = time.encode_ns_per_message, time.decode_ns_per_message
        at = f" {at_connections(time.connections)}" if time.connections > 1 else ""
        parts.append(
            f"{microseconds(encode)} to compress a message and {microseconds(decode)} to "
            f"decompress it{at}"
        )
    return ", ".join(parts)
