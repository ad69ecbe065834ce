"""Whether amounts mean the same on both sides: base and local currency, rates (mappings.md CU-1 to CU-4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from connection.dataverse.client import DataverseClient
from connection.dataverse.query import query
from connection.errors import Text
from connection.preflight.finding import Finding, Group, Level, all_well, quoted
from coupling.models import FieldKind, FieldMapping
from coupling.narrowing import erp_records
from coupling.preflight.ground import Subject
from coupling.signals import local_currency

CURRENCY_TABLE, CURRENCY_COLUMN = "transactioncurrency", "transactioncurrencyid"


@dataclass(frozen=True, slots=True)
class CRMCurrency:
    """A currency of the CRM."""

    code: str
    precision: int = 2
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Money:
    """What is known of both sides' currencies.

    `company` is the company's local currency, where that is known; `local` are the codes that a blank currency stands
    for in the mappings; `rates` the rate of each ERP currency that would be sent,
    None where it has none, and None at all where no currencies are mapped.
    """

    base: str
    crm: Sequence[CRMCurrency] = ()
    local: Sequence[str] = ()
    has_blank: bool = False
    rates: Mapping[str, Decimal | None] | None = None
    sends_rates: bool = False
    company: str = ""

    @property
    def rates_are_against(self) -> Sequence[str]:
        """What the ERP's rates are units of."""
        return [self.company] if self.company else self.local


def read_money(client: DataverseClient, subjects: Sequence[Subject]) -> Money:
    """Ask both sides, with three requests and one query. Raises what the client raises."""
    base = client.organization().base_currency_code
    select = "isocurrencycode,currencyprecision,statecode"
    (answer,) = client.answers([query("transactioncurrencies", select=select)])
    rows = answer.json()["value"]
    listed = [CRMCurrency(r["isocurrencycode"], int(r["currencyprecision"] or 0), r["statecode"] == 0) for r in rows]
    references = _references(subjects)
    local = sorted({each.blank_means for each in references if each.blank_means})
    currencies = next((each for each in subjects if each.mapping.crm_table == CURRENCY_TABLE and each.erp), None)
    rate = (
        next((p.field for p in currencies.pairs if p.field.crm_column == "exchangerate"), None) if currencies else None
    )
    rates = _rates(currencies, rate) if currencies else None
    has_blank = any(not each.blank_means for each in references)
    return Money(base, listed, local, has_blank, rates, rate is not None, local_currency())


def _references(subjects: Sequence[Subject]) -> list[FieldMapping]:
    return [
        pair.field
        for subject in subjects
        for pair in subject.pairs
        if pair.field.kind == FieldKind.LOOKUP and pair.field.crm_column == CURRENCY_COLUMN
    ]


def _rates(subject: Subject, rate: FieldMapping | None) -> dict[str, Decimal | None]:
    assert subject.erp is not None
    names = [rate.erp_field] if rate and rate.erp_field in subject.erp_columns else []
    records = erp_records(subject.erp, subject.erp_filter, names).values_list(subject.mapping.erp_key, *names)
    return {str(row[0]): row[1] if names else None for row in records}


def currency_findings(money: Money) -> list[Finding]:
    """What is wrong with the currencies."""
    text = format_lazy(_("The base currency of Dynamics CRM is {base}."), base=money.base)
    return all_well(Group.CURRENCIES, [*_local_findings(money), *_rate_findings(money)], text)


def _local_findings(money: Money) -> Iterator[Finding]:
    if money.has_blank:
        text = _("The local currency of the company is not known, which is what a blank currency stands for.")
        yield _finding(Level.BLOCKER, text, _("Enter the local currency in the company settings of the ERP."))
    known = {each.code: each for each in money.crm}
    for local in money.local:
        if local not in known:
            yield from _unknown_local(money, local)
        elif not known[local].is_active:
            text = format_lazy(_("The local currency {local} is deactivated in Dynamics CRM."), local=local)
            yield _finding(Level.WARNING, text, _("Activate the currency in Dynamics CRM."))
        elif known[local].precision < 2:
            text = _("Dynamics CRM keeps amounts in {local} with {count} decimals: they are rounded.")
            text = format_lazy(text, local=local, count=known[local].precision)
            yield _finding(Level.NOTICE, text, _("Raise the precision of the currency in Dynamics CRM."))
        if money.rates is not None and local not in money.rates:
            text = format_lazy(_("The ERP has no currency {local}, which a blank currency stands for."), local=local)
            yield _finding(
                Level.BLOCKER, text, format_lazy(_("Add {local} to the currencies of the ERP."), local=local)
            )
    yield from _moved_findings(money)
    if money.sends_rates and any(local != money.base for local in money.rates_are_against):
        text = _("Exchange rates are sent as units per {local}, but Dynamics CRM reckons in its base currency {base}.")
        text = format_lazy(text, local=", ".join(money.rates_are_against), base=money.base)
        yield _finding(
            Level.WARNING, text, _("Disable the field mapping of the exchange rate and keep rates in the CRM.")
        )


def _moved_findings(money: Money) -> Iterator[Finding]:
    """The local currency is another one than when the mappings were set up."""
    others = [local for local in money.local if money.company and local != money.company]
    if others:
        text = _("The mappings take {local} for the local currency, which is {company} by now: amounts would be wrong.")
        fix = _("Use default synchronization setup on the CRM Connection Setup page, or put the local currency back.")
        text = format_lazy(text, local=", ".join(others), company=money.company)
        yield _finding(Level.BLOCKER, text, fix)


def _unknown_local(money: Money, local: str) -> Iterator[Finding]:
    """CU-3: then the base currency must be known here, with a rate, and the local one can be created there."""
    text = format_lazy(_("Dynamics CRM does not know the local currency {local}."), local=local)
    rates = money.rates or {}
    if money.base not in rates:
        fix = _("Add {local} to the currencies of Dynamics CRM, or its base currency {base} with a rate to the ERP's.")
        yield _finding(Level.BLOCKER, text, format_lazy(fix, local=local, base=money.base))
    elif money.sends_rates and not rates[money.base]:
        fix = _(
            "Enter an exchange rate for {base}, the base currency of Dynamics CRM, or add {local} to its currencies."
        )
        yield _finding(Level.BLOCKER, text, format_lazy(fix, local=local, base=money.base))
    else:
        fix = _("Add {local} to the currencies of Dynamics CRM with its rate against {base}.")
        yield _finding(Level.WARNING, text, format_lazy(fix, local=local, base=money.base))


def _rate_findings(money: Money) -> Iterator[Finding]:
    """CU-4: a currency without a rate cannot be sent."""
    without = sorted(code for code, rate in (money.rates or {}).items() if not rate)
    if money.sends_rates and without:
        count = len(without)
        text = ngettext_lazy(
            "{count} currency has no exchange rate and cannot be sent: {codes}.",
            "{count} currencies have no exchange rate and cannot be sent: {codes}.",
            count,
        )
        text = format_lazy(text, count=count, codes=quoted(without))
        yield _finding(Level.WARNING, text, _("Enter an exchange rate for each currency that is in use."))


def _finding(level: Level, text: Text, fix: Text) -> Finding:
    return Finding(Group.CURRENCIES, level, text, fix, CURRENCY_TABLE)
