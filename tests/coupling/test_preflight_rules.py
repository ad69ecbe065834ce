"""The rules of the preflight by themselves: facts in, findings out."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils import translation

from connection.dataverse.drift import Drift, DriftKind
from connection.errors import RetryLater
from connection.preflight.facts import ADMINISTRATOR_TEMPLATE, Depth, Environment, Privilege, Role, Traits, User
from connection.preflight.finding import Finding, Group, Level, PreflightReport, from_error
from connection.preflight.rules import credential_findings, environment_findings, solution_findings, user_findings
from connection.solution.state import SolutionState, Standing
from coupling.models import Direction, FieldKind, FieldMapping, TableMapping
from coupling.preflight.columns import drift_findings, fits
from coupling.preflight.currencies import CRMCurrency, Money, currency_findings
from coupling.preflight.ground import Pair, Subject
from coupling.preflight.rights import matrix, missing, needs, rights_findings
from coupling.preflight.side_effects import Effect, Effects, effect_findings
from coupling.preflight.sizes import Size, size_findings

SOMEBODY = User(UUID(int=1), "Integration", roles=[Role("Integration")])
NOK, USD = CRMCurrency("NOK"), CRMCurrency("USD")


def said(findings: Sequence[Finding], level: Level) -> str:
    return " | ".join(str(each.text) for each in findings if each.level == level)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (User(UUID(int=1), "I", is_disabled=True, roles=SOMEBODY.roles), "disabled"),
        (User(UUID(int=1), "I", is_licensed=False, is_application=False, roles=SOMEBODY.roles), "no licence"),
        (User(UUID(int=1), "I"), "no security role"),
        (User(UUID(int=1), "I", roles=[Role("Systemansvarlig", ADMINISTRATOR_TEMPLATE)]), "System Administrator"),
    ],
    ids=["disabled", "unlicensed", "without role", "administrator"],
)
def test_who_cannot_be_the_synchronization_user(user: User, words: str) -> None:
    (finding,) = user_findings(user)
    assert finding.level == Level.BLOCKER
    assert words in str(finding.text)
    assert finding.fix
    assert not list(user_findings(SOMEBODY))


def test_the_environment_must_be_usable() -> None:
    good = Environment(SOMEBODY, "9.2.24013.165")
    assert not list(environment_findings(good))
    bad = Environment(SOMEBODY, "9.1.0.0", is_disabled=True, ahead=timedelta(minutes=-9))
    found = list(environment_findings(bad))
    assert "9.1.0.0" in said(found, Level.BLOCKER)
    assert "administration mode" in said(found, Level.BLOCKER)
    assert "9 minutes apart" in said(found, Level.WARNING)


def test_credentials_and_solution_tell_in_time() -> None:
    assert not list(credential_findings(None))
    assert not list(credential_findings(timedelta(days=90)))
    assert "in 12 days" in said(list(credential_findings(timedelta(days=12, hours=1))), Level.WARNING)
    for standing, level in [
        (Standing.MISSING, Level.WARNING),
        (Standing.OUTDATED, Level.WARNING),
        (Standing.NEWER, Level.NOTICE),
        (Standing.UNKNOWN, Level.NOTICE),
    ]:
        assert said(list(solution_findings(SolutionState(standing, "1.0", "2.0"))), level)
    assert not list(solution_findings(SolutionState(Standing.CURRENT, "2.0", "2.0")))


@pytest.mark.parametrize(
    ("money", "level", "words"),
    [
        (Money("NOK", [NOK], ["NOK"], rates={"NOK": Decimal(1)}), Level.OK, "base currency of Dynamics CRM is NOK"),
        (Money("USD", [USD], has_blank=True), Level.BLOCKER, "local currency of the company is not known"),
        (Money("USD", [USD], ["NOK"], rates={"NOK": None}), Level.BLOCKER, "does not know the local currency NOK"),
        (
            Money("USD", [USD], ["NOK"], rates={"NOK": Decimal(1), "USD": None}, sends_rates=True),
            Level.BLOCKER,
            "does not know the local currency NOK",
        ),
        (
            Money("USD", [USD], ["NOK"], rates={"NOK": Decimal(1), "USD": Decimal(1)}),
            Level.WARNING,
            "does not know the local currency NOK",
        ),
        (Money("NOK", [NOK], ["NOK"], rates={}), Level.BLOCKER, "The ERP has no currency NOK"),
        (Money("NOK", [CRMCurrency("NOK", is_active=False)], ["NOK"]), Level.WARNING, "deactivated"),
        (Money("NOK", [CRMCurrency("NOK", 0)], ["NOK"]), Level.NOTICE, "0 decimals"),
        (
            Money("USD", [NOK, USD], ["NOK"], rates={"NOK": Decimal(1)}, sends_rates=True),
            Level.WARNING,
            "units per NOK",
        ),
        (
            Money("NOK", [NOK, USD], ["NOK"], rates={"NOK": Decimal(1)}, sends_rates=True, company="USD"),
            Level.WARNING,
            "units per USD",
        ),
        (Money("NOK", [NOK, USD], ["NOK"], company="USD"), Level.BLOCKER, "take NOK for the local currency"),
        (Money("NOK", [NOK, USD], ["NOK"], company="NOK"), Level.OK, "base currency of Dynamics CRM is NOK"),
        (Money("NOK", [NOK], ["NOK"], rates={"NOK": 1, "SEK": 0}, sends_rates=True), Level.WARNING, "“SEK”"),  # type: ignore[dict-item]
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_currencies_must_mean_the_same_on_both_sides(money: Money, level: Level, words: str) -> None:
    assert words in said(currency_findings(money), level)


def subject(direction: Direction = Direction.BOTH) -> Subject:
    """Accounts with an owner."""
    mapping = TableMapping(name="CUSTOMER", crm_table="account", direction=direction)
    owners = TableMapping(name="SALESPEOPLE", crm_table="systemuser")
    owner = FieldMapping(mapping=mapping, crm_column="ownerid", kind=FieldKind.LOOKUP, lookup=owners)
    is_written = direction != Direction.FROM_CRM
    return Subject(mapping, [Pair(owner, is_written, direction != Direction.TO_CRM)])


def test_each_missing_privilege_is_found_alone() -> None:
    wanted = needs([subject()])
    traits = {each.table: Traits({}) for each in wanted}
    for each in wanted:
        known = {**traits[each.table].privileges, each.verb: Privilege(f"{each.verb} {each.table}", "prv", each.verb)}
        traits[each.table] = Traits(known)
    everything = {f"{each.verb} {each.table}": Depth.GLOBAL for each in wanted}
    assert not missing(wanted, traits, everything)
    for lost in everything:
        for depth in (Depth.NONE, Depth.BASIC, Depth.DEEP):
            lacking = missing(wanted, traits, everything | {lost: depth})
            assert [privilege.id for _need, privilege in lacking] == [lost]
            rows = matrix(wanted, traits, everything | {lost: depth})
            assert [f"{c.verb} {row.table}" for row in rows for c in row.cells if c.is_missing] == [lost]
            (finding,) = rights_findings(lacking, everything | {lost: depth}, {lost: ["Integration"]})[-1:]
            assert finding.fix
    verbs = {each.verb for each in wanted if each.table == "account"}
    assert verbs == {"Create", "Read", "Write", "Append", "Assign"}
    assert {each.verb for each in needs([subject(Direction.FROM_CRM)]) if each.table == "account"} == {"Read"}


def test_drift_side_effects_and_sizes() -> None:
    drifts = [Drift(DriftKind.OPTION_GONE, "ownerid", before="1"), Drift(DriftKind.TYPE, "other", "a", "b")]
    (drift,) = drift_findings(subject(), drifts)
    assert drift.level == Level.WARNING
    effects = Effects([Effect("account", "step", "Check VAT", True), Effect("contact", "step", "Notify")], ["flow"])
    found = effect_findings(effects, {"account": Traits(is_audited=True)}, is_audited=True)
    assert "Check VAT" in said(found, Level.WARNING)
    assert "Notify" in said(found, Level.NOTICE)
    assert "audit log" in said(found, Level.NOTICE)
    assert "Power Automate" in said(found, Level.NOTICE)
    sizes = [Size("CUSTOMER", 4_000_000, 2_000_000), Size("CONTACT", 3, 4, can_match=False)]
    found = list(size_findings(sizes))
    assert "creates up to 4,000,003 rows" in said(found, Level.NOTICE)
    assert "create everything twice" in said(found, Level.WARNING)


def test_kinds_fit_as_the_transfer_carries_them() -> None:
    assert fits("code", "text")
    assert fits("decimal", "integer")
    assert fits("id", "text")
    assert not fits("text", "decimal")
    assert not fits("boolean", "integer")
    assert not fits("datetime", "date")


def test_a_report_tells_its_worst_and_speaks_the_readers_language() -> None:
    passing = from_error(Group.VALUES, RetryLater())
    assert "in a moment" in str(passing.fix)
    report = PreflightReport([Finding(Group.KEYS, Level.NOTICE, "x", "y")]).joined(PreflightReport([passing]))
    assert not report.is_ready
    assert report.to_json()["level"] == "blocker"
    assert [group for group, _found in report.by_group] == [Group.VALUES, Group.KEYS]
    (finding,) = user_findings(User(UUID(int=1), "Ola"))
    with translation.override("nb"):
        assert "Ola" in str(finding.text)
