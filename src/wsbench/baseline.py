"""The baseline of a check: records of some corpora in a file, which only wsbench itself changes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from wsbench.checks import BaselineSummary
from wsbench.errors import ResultsError
from wsbench.oneline import file_label
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
        records = load_records(path, sealed=True, remedy=_ANEW)
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

    def match(
        self, corpora: Sequence[CorpusSummary], *, alone: bool = True
    ) -> list[Results | None]:
        """The record of each corpus, None if there is none; none is that of two.

        That is the one of its name and messages, or else of its name, or of its messages; with
        `alone`, where there is one corpus and one record, it is this, whatever it is of.
        """
        free = list(self._records)
        found: dict[int, Results] = {}
        ways: list[Callable[[CorpusSummary], object]] = [
            lambda corpus: (corpus.name, corpus.sha256),
            lambda corpus: corpus.name,
            lambda corpus: corpus.sha256,
        ]
        if alone and len(corpora) == len(free) == 1:
            ways.append(lambda _: None)
        for key in ways:
            for number, corpus in enumerate(corpora):
                same = [record for record in free if key(record.corpus) == key(corpus)]
                if number not in found and same:
                    found[number] = same[0]
                    free.remove(same[0])
        return [found.get(number) for number in range(len(corpora))]

    def lacks(self, corpus: CorpusSummary) -> ResultsError:
        """What to raise when it has no record of a corpus."""
        return ResultsError(
            f"{self.path}: no record of {corpus.name!r}, only of {', '.join(self.names)}; "
            "add it with check --update"
        )

    def put(self, record: Results, instead_of: Results | None) -> None:
        """Take in a new record, in place of an old one.

        Raises:
            ResultsError: if another one has its name.
        """
        others = [item for item in self._records if item is not instead_of]
        if record.corpus.name in (item.corpus.name for item in others):
            raise ResultsError(f"{self.path}: holds another record of {record.corpus.name!r}")
        place = len(others) if instead_of is None else self._records.index(instead_of)
        self._records[place : place + (instead_of is not None)] = [record]

    def save(self) -> None:
        """Write the file, at once or not at all.

        Raises:
            ResultsError: if it cannot be written.
        """
        save_records(self.path, self._records)

    def summary(self, record: Results) -> BaselineSummary:
        """What a check says of the record that it compares with."""
        return BaselineSummary(
            file=file_label(self.path),
            created=record.created,
            commit=record.commit,
            wsbench=record.wsbench,
            corpus=record.corpus,
            environment=record.environment,
        )
