"""The command line: `main`, and the commands, each in a module that is imported when it runs."""

import io
import os
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module

import click

from wsbench import __version__
from wsbench.errors import WsbenchError
from wsbench.oneline import one_line

# Name, module, and the line that `wsbench --help` shows. A command is the attribute of its module
# that has the command's name.
_COMMANDS = {
    "compress": ("wsbench.cli.compress", "Measure a corpus; print memory, size and time."),
    "connections": (
        "wsbench.cli.connections",
        "Measure memory, CPU and round trips of a live server.",
    ),
    "buffers": (
        "wsbench.cli.buffers",
        "Measure what buffers hold when a peer is slow.",
    ),
    "serve": ("wsbench.cli.serve", "Run the server under test."),
    "record": (
        "wsbench.cli.record",
        "Record the messages of live connections, as a proxy.",
    ),
    "check": ("wsbench.cli.check", "Measure again; fail if it is worse than a baseline or budget."),
    "compare": ("wsbench.cli.compare", "Print records side by side, and what differs."),
    "history": ("wsbench.cli.history", "Print how quantities moved over records."),
    "report": ("wsbench.cli.report", "Print a saved record again, in any format."),
    "corpus": ("wsbench.cli.corpus", "Describe a corpus, convert or generate one."),
}

EXIT_DONE = 0
EXIT_REGRESSION = 1  # a check found one
EXIT_WRONG_USE = 2
EXIT_DEFECT = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143  # what a shell says of a process that SIGTERM ended


class _LazyGroup(click.Group):
    """A group that imports a command only to run it, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=_LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """What permessage-deflate costs and saves, for your own messages.

    \b
    wsbench compress messages.json
    wsbench compress messages/ --window-bits 9-15 --memory-level 1-9 --format grid
    wsbench COMMAND --help
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; every mistake is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks must not cost the result.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(arguments, prog_name="wsbench", standalone_mode=False)
    except click.ClickException as error:
        return _mistake(_one_line(error), error.exit_code)
    except WsbenchError as error:
        return _mistake(str(error), EXIT_WRONG_USE)
    except SystemExit as error:
        # Else it is what click makes of a reader of --help that has seen enough.
        return EXIT_TERMINATED if error.code == EXIT_TERMINATED else EXIT_DONE
    except OSError as error:
        discard_output()
        return _mistake(f"{error.filename or 'input or output'}: {error.strerror}", EXIT_WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception:
        traceback.print_exc()
        return _mistake("this is a defect of wsbench; please report it", EXIT_DEFECT)
    return code if isinstance(code, int) else EXIT_DONE


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text = f"{text.rstrip('.')}; see {error.ctx.command_path} --help"
    return text


def discard_output() -> None:
    """Send what standard output still holds nowhere, since Python will flush it when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mistake(text: str, code: int) -> int:
    remark(text)
    return code


def warn(warnings: Iterable[str]) -> None:
    """A remark for each."""
    for text in warnings:
        remark(f"warning: {text}")


def remark(text: str) -> None:
    """One line on stderr, whatever characters a file name brought into it."""
    # What GitHub takes for a command wherever it stands in a line.
    click.echo("wsbench: " + one_line(text).replace("##[", "## ["), err=True)
