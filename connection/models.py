"""The connection to the CRM and what we remember about its tables."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connection.clients import client_for
from connection.dataverse.certificate import Certificate, CertificateUnusable
from connection.dataverse.client import DataverseClient
from connection.dataverse.drift import Drift
from connection.dataverse.metadata import TableDefinition
from connection.errors import FixSetup
from connection.fields import EncryptedTextField, Secret
from connection.installation import is_copy, refuse_copy
from connection.texts import Texts, in_language

# What a test proves, where it passes.
SETTINGS = ("address", "authority", "tenant_id", "client_id", "client_secret", "certificate")


class NotConnected(FixSetup):
    """There is no connection, or it is switched off."""

    text = _("crmbridge is not connected to Dynamics CRM.")
    fix = _("Set up and enable the connection on the CRM Connection Setup page.")


class SettingsChanged(FixSetup):
    """Somebody changed the settings meanwhile, so that what was learned under the old ones says nothing of the new."""

    text = _("The settings were changed by somebody else meanwhile.")
    fix = _("Look at the settings, then try again.")


class SettingsLocked(FixSetup):
    """The settings of an enabled connection stay as they were tested (F5.25)."""

    text = _("The connection is enabled.")
    fix = _("Disable it before you change its settings.")


class CRMConnection(models.Model):
    """How this company's CRM is reached, and whether it is. There is at most one.

    It signs in with `client_secret` or with `certificate` (private key and certificate, PEM), whichever was set last;
    both are encrypted at rest and shown nowhere. `authority` is empty where Microsoft's login server for the
    cloud of `address` is meant. `solution_version` is the installed one as it was last seen; `sync_user_name` names the
    one account that everything runs through (S34), by login or application ID; `sales_order_user` does so for the sales
    order integration (S39). `installation` is the fingerprint of the installation that enabled the connection: another
    one holds a copy of the database, and calls nobody. `enabled_organization_id` and `enabled_address` name the
    environment with which it was enabled last, which couplings and positions in the CRM belong to.
    """

    name = models.CharField(_("name"), max_length=100, default="Dynamics CRM")
    address = models.CharField(_("address"), max_length=250, help_text=_("As your browser shows it, with https://."))
    authority = models.CharField(
        _("login server"), max_length=250, blank=True, help_text=_("Leave empty for Microsoft's own.")
    )
    tenant_id = models.CharField(_("tenant"), max_length=100, help_text=_("Directory (tenant) ID or domain."))
    client_id = models.CharField(_("client ID"), max_length=100, help_text=_("Application (client) ID."))
    client_secret = EncryptedTextField(_("client secret"), default="", editable=False)
    client_secret_set_at = models.DateTimeField(_("client secret set on"), null=True, editable=False)

    certificate = EncryptedTextField(_("certificate"), default="", editable=False)
    certificate_thumbprint = models.CharField(_("certificate thumbprint"), max_length=40, blank=True, editable=False)
    certificate_expires_at = models.DateTimeField(_("certificate valid until"), null=True, editable=False)

    is_enabled = models.BooleanField(_("enabled"), default=False, editable=False)
    disable_reasons = Texts(_("reason for disabling"), default=dict, blank=True, editable=False)
    last_tested_at = models.DateTimeField(_("last tested"), null=True, editable=False)
    last_test_results = Texts(_("result of the last test"), default=dict, blank=True, editable=False)

    organization_id = models.UUIDField(_("organization ID"), null=True, editable=False)
    organization_name = models.CharField(_("organization"), max_length=200, blank=True, editable=False)
    version = models.CharField(_("version of Dynamics CRM"), max_length=50, blank=True, editable=False)
    user_id = models.UUIDField(_("ID of the synchronization user"), null=True, editable=False)
    base_currency_id = models.UUIDField(_("base currency ID"), null=True, editable=False)
    base_currency_code = models.CharField(_("base currency"), max_length=5, blank=True, editable=False)

    solution_version = models.CharField(_("version of the solution"), max_length=50, blank=True, editable=False)
    sync_user_name = models.CharField(_("synchronization user"), max_length=250, blank=True, editable=False)
    is_item_availability_on = models.BooleanField(_("item availability"), default=False)
    odata_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("OData web service user"),
    )
    is_sales_order_integration_on = models.BooleanField(_("sales order integration"), default=False)
    sales_order_user = models.CharField(_("user of the sales order integration"), max_length=250, blank=True)
    installation = models.CharField(_("installation"), max_length=64, blank=True, editable=False)
    enabled_organization_id = models.UUIDField(_("organization when last enabled"), null=True, editable=False)
    enabled_address = models.CharField(_("address when last enabled"), max_length=250, blank=True, editable=False)

    class Meta:
        verbose_name = _("CRM connection")
        verbose_name_plural = _("CRM connection")

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    @admin.display(description=_("reason for disabling"))
    def disable_reason(self) -> str:
        """Why the connection was switched off, in the reader's language."""
        return in_language(self.disable_reasons)

    @property
    @admin.display(description=_("result of the last test"))
    def last_test_result(self) -> str:
        """What the last test found, in the reader's language."""
        return in_language(self.last_test_results)

    @property
    def is_copy(self) -> bool:
        """Whether another installation enabled the connection, so that this one is in safe mode."""
        return is_copy(self)

    def as_read(self, *names: str) -> "models.QuerySet[CRMConnection]":
        """This row, as long as these settings (without names: all that a test proves) still are those that were read.

        What was learned through the CRM is written to it alone.
        """
        read = {name: getattr(self, name) for name in names or SETTINGS}
        return CRMConnection.objects.filter(pk=self.pk, **read)

    def was_enabled_elsewhere(self, organization_id: uuid.UUID | None) -> bool:
        """Whether it was last enabled with another environment than that of `organization_id`."""
        return self.enabled_organization_id not in (None, organization_id)

    @classmethod
    def current(cls) -> "CRMConnection | None":
        """The company's connection, where one has been set up."""
        return cls.objects.order_by("pk").first()

    @classmethod
    def enabled(cls) -> "CRMConnection":
        """The company's connection.

        Raises NotConnected where there is none or it is switched off, CopiedDatabase where this database is a copy.
        """
        connection = cls.current()
        if connection is None or not connection.is_enabled:
            raise NotConnected(technical=connection.disable_reason if connection else "")
        refuse_copy(connection)
        return connection

    def set_secret(self, text: str) -> None:
        """Sign in with this client secret from now on; the caller saves."""
        self.client_secret, self.client_secret_set_at = Secret.of(text), timezone.now()
        self.certificate, self.certificate_thumbprint, self.certificate_expires_at = Secret.of(""), "", None

    def set_certificate(self, pem: str) -> None:
        """Sign in with this certificate from now on; the caller saves. Raises CertificateUnusable."""
        certificate = Certificate.parse(pem)
        if certificate.is_expired:
            raise CertificateUnusable(_("The certificate has expired."), fix=_("Give one that is still valid."))
        self.certificate = Secret.of(certificate.pem)
        self.certificate_thumbprint = certificate.thumbprint
        self.certificate_expires_at = certificate.expires_at
        self.client_secret, self.client_secret_set_at = Secret.of(""), None

    def client(self) -> DataverseClient:
        """The client for these settings, shared by the process. Raises AddressRefused and UnreadableSecret."""
        return client_for(self)


class SolutionImport(models.Model):
    """One import of the solution under an administrator's sign-in (S27), of which nothing is kept but its course.

    At most one runs for a connection, which the database itself makes sure of. `import_job_id` is chosen before the
    call, so that the CRM can be asked how it ended even where the server was killed meanwhile; `reasons` say why it
    failed. It concerns the environment at `address`, also where the connection leads to another one by now.
    """

    class State(models.TextChoices):
        """Where an import stands; whether an interrupted one came to its end is not known yet."""

        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    # The heartbeat comes between requests, of which none takes longer (`connection/dataverse/session.py`).
    SILENT_AFTER = timedelta(minutes=5)

    connection = models.ForeignKey(
        CRMConnection, on_delete=models.CASCADE, related_name="imports", verbose_name=_("connection")
    )
    address = models.CharField(_("address"), max_length=250)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    heartbeat_at = models.DateTimeField(_("last sign of life"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True)
    state = models.CharField(_("state"), max_length=20, choices=State, default=State.RUNNING)
    progress = models.PositiveSmallIntegerField(_("progress in percent"), default=0)
    version = models.CharField(_("version of the solution"), max_length=50)
    import_job_id = models.UUIDField(_("import job ID"), default=uuid.uuid4, unique=True)
    reasons = Texts(_("reason of the failure"), default=dict, blank=True)

    class Meta:
        verbose_name = _("solution import")
        verbose_name_plural = _("solution imports")
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=models.Q(state="running"), name="one_running_import_a_connection"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} ({self.get_state_display()})"

    @property
    @admin.display(description=_("reason of the failure"))
    def reason(self) -> str:
        """Why the import failed or what is not known of it, in the reader's language."""
        return in_language(self.reasons)


class TableMetadata(models.Model):
    """What a CRM table was like when it was last asked, so that a fresh process need not ask again (I9).

    `version` counts the definitions that differed from the one before; `drift` says in what the last one did.
    """

    connection = models.ForeignKey(
        CRMConnection, on_delete=models.CASCADE, related_name="tables", verbose_name=_("connection")
    )
    table = models.CharField(_("table"), max_length=128)
    definition = models.JSONField(_("definition"))
    read_at = models.DateTimeField(_("read"), default=timezone.now)
    version = models.PositiveIntegerField(_("version"), default=1)
    drift = models.JSONField(_("last changes"), default=list, blank=True)
    drifted_at = models.DateTimeField(_("changed"), null=True, blank=True)
    is_contradicted = models.BooleanField(_("to be read again"), default=False)

    class Meta:
        verbose_name = _("CRM table")
        verbose_name_plural = _("CRM tables")
        constraints = [models.UniqueConstraint(fields=["connection", "table"], name="one_definition_a_table")]

    def __str__(self) -> str:
        return self.table

    def as_definition(self) -> TableDefinition:
        """The definition that was stored."""
        return TableDefinition.from_json(self.definition)

    @property
    def drifts(self) -> list[Drift]:
        """In what the definition differs from the one before."""
        return [Drift.from_json(stored) for stored in self.drift]


class RequestBudget(models.Model):
    """What all workers of a connection may send together; `version` makes sure that none overwrites another's entry."""

    connection = models.OneToOneField(
        CRMConnection, on_delete=models.CASCADE, related_name="budget", verbose_name=_("connection")
    )
    state = models.JSONField(_("state"), default=dict)
    version = models.PositiveBigIntegerField(_("version"), default=0)

    class Meta:
        verbose_name = _("request budget")
        verbose_name_plural = _("request budgets")

    def __str__(self) -> str:
        return str(self.connection)
