"""Which tools there are, and who has them."""

from collections.abc import Iterator
from datetime import date

from lending.tools import Loan, Tool


class Shelf:
    """All tools and all loans."""

    def __init__(self, tools: list[Tool]) -> None:
        self._tools = {tool.number: tool for tool in tools}
        self._loans: list[Loan] = []

    def search(self, word: str) -> list[Tool]:
        """The tools that a word finds, by name."""
        found = [tool for tool in self._tools.values() if tool.matches(word)]
        return sorted(found, key=lambda tool: tool.name)

    def open_loans(self) -> Iterator[Loan]:
        """The loans of tools that are not back."""
        return (loan for loan in self._loans if loan.returned is None)

    def lend(self, number: int, member: str, today: date) -> Loan:
        """Hand a tool to a member.

        Raises:
            LookupError: if there is no such tool, or if somebody has it.
        """
        tool = self._tools[number]
        if any(loan.tool == tool for loan in self.open_loans()):
            raise LookupError(f"{tool.name} is lent already")
        loan = Loan(tool, member, today)
        self._loans.append(loan)
        return loan

    def take_back(self, number: int, today: date) -> int:
        """Note that a tool is back; returns how many days late it is."""
        for loan in self.open_loans():
            if loan.tool.number == number:
                loan.returned = today
                return loan.days_late(today)
        raise LookupError(f"tool {number} is not lent")
