"""`manage.py seed_financials --customers N [--seed S]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from financials.demo import SEED, CompanyNotEmptyError, create_demo_company


class Command(BaseCommand):
    """Fill empty financials with the demo company."""

    help = "Makes a believable company with customers and contacts; the same seed makes the same company."
    requires_system_checks = []  # they load every address, which takes as long as all the rest of a start

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many customers, and which seed."""
        parser.add_argument("--customers", type=int, default=500, metavar="N", help="how many customers (default 500)")
        parser.add_argument("--seed", type=int, default=SEED, metavar="S", help="another seed, another company")

    def handle(self, *args: Any, customers: int, seed: int, **options: Any) -> None:
        """Make the company, and state what was made.

        Raises:
            CommandError: the number makes no sense, or there is a company already.
        """
        if customers < 1:
            raise CommandError(_("Ask for at least one customer."))
        try:
            made = create_demo_company(customers, seed)
        except CompanyNotEmptyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            _("%(company_name)s: %(customers)d customers, %(contacts)d contacts, %(salespeople)d salespeople")
            % vars(made)
        )
