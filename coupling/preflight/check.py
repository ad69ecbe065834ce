"""Runs the checks, all of them or stage by stage, and reports what was found. Writes nothing on either side."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import reduce

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.clients import client_for
from connection.errors import CRMBridgeError
from connection.models import CRMConnection, NotConnected
from connection.preflight.facts import (
    Environment,
    User,
    read_environment,
    read_held,
    read_roles_with,
    read_traits,
    read_user,
)
from connection.preflight.finding import Finding, Group, Level, PreflightReport, all_well, from_error
from connection.preflight.rules import (
    credential_findings,
    environment_findings,
    order_user_findings,
    solution_findings,
    user_findings,
)
from connection.solution.state import solution_state
from connection.users import find_sync_user
from coupling.environment import OtherEnvironment, refuse_foreign_couplings
from coupling.preflight.columns import column_findings, drift_findings
from coupling.preflight.currencies import currency_findings, read_money
from coupling.preflight.duplicates import duplicate_findings, read_ambiguities
from coupling.preflight.ground import Ground
from coupling.preflight.rights import matrix, missing, needs, rights_findings
from coupling.preflight.side_effects import effect_findings, read_effects
from coupling.preflight.sizes import read_sizes, size_findings
from coupling.preflight.tables import bulk_findings, key_findings, tracking_findings
from coupling.preflight.values import read_values, value_findings

# What a table was like before is of interest for a while.
RECENT = timedelta(days=7)


class Stage(TextChoices):
    """A part of the preflight that can be asked for by itself, so that a page shows what is known already."""

    ACCESS = "access", _("Connection, user and rights")
    TABLES = "tables", _("Tables, fields and change tracking")
    CURRENCIES = "currencies", _("Currencies")
    DATA = "data", _("Values, duplicates and sizes")
    EFFECTS = "effects", _("Side effects")


def preflight(connection: CRMConnection) -> PreflightReport:
    """Everything that would go wrong with the enabled mappings of `connection`, found before anything is written.

    Raises nothing of ours: what stops a check is a finding itself. What stops the first stage would stop the others in
    the same way, which then are left out.
    """
    first = check(connection, Stage.ACCESS)
    if first.was_stopped:
        return first
    others = (check(connection, stage) for stage in Stage if stage != Stage.ACCESS)
    return reduce(PreflightReport.joined, others, first)


def check(connection: CRMConnection, stage: Stage) -> PreflightReport:
    """What one stage finds; it asks the CRM the same number of times however many records there are."""
    began = time.monotonic()
    try:
        client = client_for(connection).interactive()
        sent = client.requests_sent
        ground = Ground(connection, client, is_fresh=stage == Stage.TABLES)
        report = _STAGES[stage](ground) if ground.subjects else _nothing_chosen()
        return PreflightReport(report.findings, report.rights, client.requests_sent - sent, time.monotonic() - began)
    except CRMBridgeError as error:
        stopped = from_error(_GROUPS[stage], error)
        return PreflightReport([stopped], seconds=time.monotonic() - began, was_stopped=True)


def checked(stage: Stage | None = None) -> PreflightReport:
    """What all stages or one of them find with the company's connection; that there is none is a finding too."""
    connection = CRMConnection.current()
    if connection is None:
        missing_connection = NotConnected(fix=_("Enter the address and the sign-in of Dynamics CRM first."))
        return PreflightReport([from_error(Group.CONNECTION, missing_connection)], was_stopped=True)
    return check(connection, stage) if stage else preflight(connection)


def _nothing_chosen() -> PreflightReport:
    text = _("No table mapping is enabled: there is nothing to synchronize yet.")
    return PreflightReport([Finding(Group.COLUMNS, Level.BLOCKER, text, _("Choose which data to synchronize."))])


def _access(ground: Ground) -> PreflightReport:
    environment = read_environment(ground.client)
    connected = all_well(Group.CONNECTION, _connected(ground, environment), _("The connection works."))
    if environment.user.is_disabled or not environment.user.roles:
        return PreflightReport(connected)
    wanted = needs(ground.subjects)
    traits = read_traits(ground.client, list(dict.fromkeys(need.table for need in wanted)))
    held = read_held(ground.client, environment.user.id)
    lacking = missing(wanted, traits, held)
    giving = read_roles_with(ground.client, [privilege for _need, privilege in lacking])
    return PreflightReport([*connected, *rights_findings(lacking, held, giving)], matrix(wanted, traits, held))


def _connected(ground: Ground, environment: Environment) -> list[Finding]:
    expires_at = ground.connection.certificate_expires_at
    return [
        *_foreign(ground, environment),
        *environment_findings(environment),
        *user_findings(environment.user),
        *_order_user(ground, environment.user),
        *solution_findings(solution_state(ground.connection)),
        *credential_findings(expires_at - timezone.now() if expires_at else None),
    ]


def _order_user(ground: Ground, synchronization_user: User) -> list[Finding]:
    """What is wrong with the account that handles the sales orders, where it is another one (S51)."""
    connection, client = ground.connection, ground.client
    if not connection.is_sales_order_integration_on:
        return []
    try:
        named = find_sync_user(client, connection.sales_order_user)
        return [] if named.id == synchronization_user.id else [*order_user_findings(read_user(client, named.id))]
    except CRMBridgeError as error:
        return [from_error(Group.CONNECTION, error)]


def _foreign(ground: Ground, environment: Environment) -> Iterator[Finding]:
    try:
        refuse_foreign_couplings(ground.connection, environment.organization_id)
    except OtherEnvironment as error:
        yield from_error(Group.CONNECTION, error)


def _tables(ground: Ground) -> PreflightReport:
    subjects = ground.subjects
    traits = read_traits(ground.client, ground.tables)
    lately = ground.connection.tables.filter(drifted_at__gt=timezone.now() - RECENT)
    stored = {row.table: row.drifts for row in lately}
    columns = [each for subject in subjects for each in column_findings(subject)]
    drifts = [each for one in subjects for each in drift_findings(one, stored.get(one.mapping.crm_table, []))]
    return _report(
        all_well(Group.COLUMNS, [*columns, *drifts], _("Every mapped table, field and column exists and fits.")),
        tracking_findings(subjects, traits),
        key_findings(subjects),
        bulk_findings(subjects),
    )


def _currencies(ground: Ground) -> PreflightReport:
    return _report(currency_findings(read_money(ground.client, ground.subjects)))


def _data(ground: Ground) -> PreflightReport:
    client, subjects = ground.client, ground.subjects
    return _report(
        value_findings(read_values(client, subjects)),
        duplicate_findings(read_ambiguities(client, subjects)),
        size_findings(read_sizes(client, subjects)),
    )


def _effects(ground: Ground) -> PreflightReport:
    tables = list(dict.fromkeys(each.mapping.crm_table for each in ground.subjects if each.to_crm and each.table))
    traits = read_traits(ground.client, tables)
    is_audited = read_environment(ground.client).is_audited
    return _report(effect_findings(read_effects(ground.client, tables), traits, is_audited=is_audited))


def _report(*groups: Iterable[Finding]) -> PreflightReport:
    return PreflightReport([each for group in groups for each in group])


_STAGES: dict[Stage, Callable[[Ground], PreflightReport]] = {
    Stage.ACCESS: _access,
    Stage.TABLES: _tables,
    Stage.CURRENCIES: _currencies,
    Stage.DATA: _data,
    Stage.EFFECTS: _effects,
}
# Where a stage says what stopped it.
_GROUPS = {
    Stage.ACCESS: Group.CONNECTION,
    Stage.TABLES: Group.COLUMNS,
    Stage.CURRENCIES: Group.CURRENCIES,
    Stage.DATA: Group.VALUES,
    Stage.EFFECTS: Group.SIDE_EFFECTS,
}
