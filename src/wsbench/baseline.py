"""The baseline of a check: records of some corpora in a file, which only wsbench itself changes."""

from collections.abc import Sequence
from pathlib import Path

from wsbench.checks import BaselineSummary
from wsbench.errors import ResultsError
from wsbench.results import CorpusSummary, Results, load_records, save_records

_ANEW = "delete it, and make one with check --update"


class Baseline:
    """The records of a file, one a corpus."""

    def __init__(self, path: str | Path, records: Sequence[Results] = ()) -> None:
        self.path = path
        self._records = list(records)

    @classmethod
    def load(cls, path: str | Path) -> "Baseline":
        """Read a baseline, or a record that `wsbench compress --save` wrote.

        Raises:
            ResultsError: if it cannot be read, was changed by hand, or cannot be compared with.
        """
        records = load_records(path, sealed=True)
        for number, record in enumerate(records):
            place = f"{path}: records[{number}]" if len(records) > 1 else str(path)
            if record.live is not None or record.buffers is not None:
                raise ResultsError(f"{place}: was not measured by wsbench compress; {_ANEW}")
            if record.partial:
                raise ResultsError(f"{place}: is partial, since it was interrupted; {_ANEW}")
        names = [record.corpus.name for record in records]
        for name in names:
            if names.count(name) > 1:
                raise ResultsError(f"{path}: holds two records of {name!r}; {_ANEW}")
        return cls(path, records)

    @property
    def names(self) -> list[str]:
        """The corpora that it holds records of."""
        return [record.corpus.name for record in self._records]

    def find(self, corpus: CorpusSummary) -> Results | None:
        """The record of a corpus: of its messages, or else of its name."""
        by_messages = (item for item in self._records if item.corpus.sha256 == corpus.sha256)
        by_name = (item for item in self._records if item.corpus.name == corpus.name)
        return next(by_messages, None) or next(by_name, None)

    def record_of(self, corpus: CorpusSummary, *, alone: bool) -> Results:
        """The same, or the only record, if its corpus is `alone`, whatever that is called.

        Raises:
            ResultsError: if there is none.
        """
        found = self.find(corpus)
        if found is None and alone and len(self._records) == 1:
            found = self._records[0]
        if found is None:
            raise ResultsError(
                f"{self.path}: no record of {corpus.name!r}, only of {', '.join(self.names)}; "
                "add it with check --update"
            )
        return found

    def put(self, record: Results, instead_of: Results | None) -> None:
        """Take in a new record, in place of an old one."""
        if instead_of is None:
            self._records.append(record)
        else:
            self._records[self._records.index(instead_of)] = record

    def save(self) -> None:
        """Write the file, at once or not at all.

        Raises:
            ResultsError: if it cannot be written.
        """
        save_records(self.path, self._records)

    def summary(self, record: Results) -> BaselineSummary:
        """What a check says of the record that it compares with."""
        return BaselineSummary(
            file=str(self.path),
            created=record.created,
            commit=record.commit,
            wsbench=record.wsbench,
            corpus=record.corpus,
            environment=record.environment,
        )
