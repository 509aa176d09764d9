"""Letters to members who have a tool for too long."""

from datetime import date

from lending.shelf import Shelf
from lending.tools import Loan

FEE_CENTS = 50


def letter(loan: Loan, today: date) -> str:
    """What a member is told about a loan."""
    days = loan.days_late(today)
    return f"Dear {loan.member}, please return {loan.tool.name}: it is {days} days late."


def letters(shelf: Shelf, today: date) -> list[str]:
    """The letters of a day."""
    late = [loan for loan in shelf.open_loans() if loan.days_late(today)]
    return [letter(loan, today) for loan in late]
