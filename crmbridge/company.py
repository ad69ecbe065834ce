"""What the rooms below, which do not know the financials, ask of the company."""

from typing import Any

from financials.models import CompanySettings


def local_currency(**kwargs: Any) -> str:
    """In which currency the company keeps its books: what a blank currency stands for."""
    return CompanySettings.current().lcy_code
