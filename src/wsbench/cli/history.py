"""wsbench history: how quantities moved over records."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from wsbench.cli import EXIT_DONE, remark
from wsbench.cli._options import decode_option, output_option, parsed_each
from wsbench.cli._output import check_target, emit, is_same_file
from wsbench.cli._records import read_records
from wsbench.errors import ResultsError
from wsbench.history import History
from wsbench.history import history as history_of
from wsbench.report.history import HISTORY_FORMATS, render_history
from wsbench.results import Results
from wsbench.settings import Offer, parse_offer


@click.command()
@click.argument("records", metavar="RECORDS...", nargs=-1, required=True)
@click.option(
    "--settings",
    "offers",
    callback=parsed_each(parse_offer),
    multiple=True,
    metavar="BITS/LEVEL",
    show_default="all",
    help="Show these settings, such as 12/5, off or browser; can be repeated.",
)
@click.option("--moved", is_flag=True, help="Show only what moved.")
@decode_option
@click.option(
    "--format",
    "format",
    type=click.Choice(HISTORY_FORMATS),
    default="table",
    show_default=True,
    help="How the history is printed.",
)
@output_option
@click.option("--quiet", is_flag=True, help="No remarks.")
def history(
    records: tuple[str, ...],
    offers: list[Offer],
    moved: bool,
    decode: bool,
    format: str,
    output: str | None,
    quiet: bool,
) -> int:
    """Print how quantities moved over RECORDS, and at which commit or version.

    RECORDS are files that `wsbench compress --save` or `wsbench connections --save` wrote, or
    directories of them, or - for standard input. Those of a corpus stand together, oldest first.

    Of a directory, files that are no records are passed over. A change that is as small as those of
    measuring the same again is no move; below the tables stands what that means. How long
    decompressing takes is shown where it moved, too, without --decode.
    """
    files = _files(records)
    check_target("--output", output, _overwritten(output, files))
    remarks: list[str] = []
    found = history_of(list(_read(files, remarks)))
    if not found.groups:
        raise ResultsError(
            f"{', '.join(records)}: no records to follow; name files made by wsbench compress "
            "--save or connections --save, or a directory of them"
        )
    settings = _labels(offers, found)
    emit(render_history(found, format, settings=settings, moved=moved, decode=decode), output)
    if not quiet:
        for text in remarks:
            remark(text)
    return EXIT_DONE


def _files(arguments: Sequence[str]) -> dict[str, bool]:
    """The files to read, each once, and whether it was named itself.

    Raises:
        OSError: if a directory cannot be read.
    """
    files: dict[str, bool] = {}
    places = set()
    for argument in arguments:
        if not argument:
            raise click.UsageError("RECORDS '': name a file or a directory")
        is_directory = argument != "-" and Path(argument).is_dir()
        for file in _in_directory(argument) if is_directory else [argument]:
            place = file if file == "-" else os.path.realpath(file)
            if place not in places:
                files[file] = not is_directory
            places.add(place)
    return files


def _in_directory(directory: str) -> list[str]:
    """The visible JSON files of a directory, by name."""
    return sorted(
        str(path)
        for path in Path(directory).iterdir()
        if path.suffix == ".json" and not path.name.startswith(".") and path.is_file()
    )


def _overwritten(output: str | None, files: dict[str, bool]) -> str:
    """The file that the output would overwrite, or what `check_target` takes for none."""
    if output is None:
        return "-"
    return next((file for file in files if file != "-" and is_same_file(output, file)), "-")


def _read(files: dict[str, bool], remarks: list[str]) -> Iterator[tuple[str, tuple[Results, ...]]]:
    """What each file holds, and remarks on what it does not.

    Raises:
        ResultsError: if a file that was named holds no records.
    """
    for file, is_named in files.items():
        try:
            label, found = read_records(file)
        except ResultsError as error:
            if is_named:
                raise
            remarks.append(f"skipped {error}")
            continue
        if any(results.buffers for results in found):
            remarks.append(f"skipped {label}: buffers have no settings to follow")
        yield label, found


def _labels(offers: list[Offer], found: History) -> list[str] | None:
    """The labels of the settings that were asked for; None for all.

    Raises:
        ResultsError: if no record has them.
    """
    labels = ["off" if offer is None else str(offer) for offer in offers]
    for label in labels:
        if label not in found.settings:
            raise ResultsError(
                f"--settings {label}: in no record; there are {'; '.join(found.settings)}"
            )
    return labels or None
