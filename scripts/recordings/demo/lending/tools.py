"""The tools of a library that lends tools instead of books."""

from dataclasses import dataclass, field
from datetime import date, timedelta

LENDING_DAYS = 14


@dataclass
class Tool:
    """Something that members can borrow."""

    number: int
    name: str
    deposit_cents: int = 0
    tags: list[str] = field(default_factory=list)

    def matches(self, word: str) -> bool:
        """Whether a search for this word finds the tool."""
        return word.lower() in self.name.lower() or word in self.tags


@dataclass
class Loan:
    """A tool that somebody has; `returned` is None until it is back."""

    tool: Tool
    member: str
    begun: date
    returned: date | None = None

    @property
    def due(self) -> date:
        """The last day on which returning it costs nothing."""
        return self.begun + timedelta(days=LENDING_DAYS)

    def days_late(self, today: date) -> int:
        """How many days after the last day it was returned, or it is now."""
        return max(0, ((self.returned or today) - self.due).days)
