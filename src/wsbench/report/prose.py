"""What stands above and below a table: which messages, which versions, what the numbers mean."""

from wsbench.report.units import counted, kib, microseconds, percent
from wsbench.results import Results


def heading(results: Results, mark: str = "*") -> list[str]:
    """Lines that say what was measured, on what, and what the reference amounts to.

    `mark` is how the table marks the reference.
    """
    corpus, environment = results.corpus, results.environment
    lines = [
        f"{corpus.name}: {counted(corpus.messages, 'message')}, "
        f"{counted(corpus.bytes, 'byte')}, {counted(corpus.streams, 'stream')}",
        f"websockets {environment.websockets}, zlib {environment.zlib}, "
        f"{environment.implementation} {environment.python}, "
        f"{environment.os} {environment.machine}, {environment.cpus} × {environment.cpu or 'CPU'}",
    ]
    if reference := _reference(results):
        lines.append(f"Reference ({mark}) {results.reference}: {reference}")
    if results.partial:
        lines.append("Partial: the sweep did not finish; what is missing was not measured")
    return lines


def note(results: Results) -> str:
    """One line that says what the numbers are, and what they are not."""
    parts = []
    if memory := [row.memory for row in results.rows if row.memory]:
        most = max(item.connection_stdev_bytes for item in memory)
        parts.append(
            f"Memory: allocated per connection by a websockets server, mean of "
            f"{memory[0].connections} (σ ≤ {kib(most)}); resident memory differs."
        )
    if any(row.size for row in results.rows):
        parts.append("Size: payload bytes; all messages compressed once, in order, and verified.")
    if times := [row.time[0] for row in results.rows if row.time]:
        timed, messages = times[0].sampled_messages, results.corpus.messages
        sample = f" {timed:,} of the {messages:,} messages," if timed < messages else ""
        parts.append(
            f"Time: compressing{sample} on one busy connection, 95% interval; "
            f"with many connections it differs."
        )
    return " ".join(parts)


def _reference(results: Results) -> str:
    """The reference in absolute figures, as far as they were measured."""
    parts = []
    row = results.row(results.reference)
    if row and row.memory:
        parts.append(f"{kib(row.memory.connection_bytes)} per connection")
    if row and row.size and row.size.original_bytes:
        share = percent(row.size.compressed_bytes / row.size.original_bytes)
        parts.append(f"compressed to {share} of the bytes")
    if row and row.time:
        encode, decode = row.time[0].encode_ns_per_message, row.time[0].decode_ns_per_message
        parts.append(
            f"{microseconds(encode)} to compress a message, {microseconds(decode)} to decompress it"
        )
    return ", ".join(parts)
