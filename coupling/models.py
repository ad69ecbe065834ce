"""What belongs with what: the mappings of tables and fields, option values, and the couplings of records."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Direction(models.TextChoices):
    """Which way data flows. On screen the contract's words (S77): to and from the integration table."""

    BOTH = "both", _("Bidirectional")
    TO_CRM = "to", _("To Integration Table")
    FROM_CRM = "from", _("From Integration Table")

    @property
    def to_crm(self) -> bool:
        """Whether the ERP's values may go to the CRM."""
        return self != Direction.FROM_CRM

    @property
    def from_crm(self) -> bool:
        """Whether the CRM's values may go to the ERP."""
        return self != Direction.TO_CRM


class TableMapping(models.Model):
    """One ERP table ↔ one CRM table: direction, filters, templates, and what must be coupled first.

    The ERP table is named by its Django model label, so that a company can map models of its own.
    """

    name = models.CharField(_("name"), max_length=20, unique=True)
    erp_table = models.CharField(_("table"), max_length=100, help_text=_("Django model label of the ERP table."))
    crm_table = models.CharField(_("integration table"), max_length=100, help_text=_("Logical name of the CRM table."))
    erp_key = models.CharField(
        _("key field"), max_length=64, default="no", help_text=_("The field that people know an ERP record by.")
    )
    erp_id_field = models.CharField(_("id field"), max_length=64, default="system_id")
    erp_modified_field = models.CharField(_("modified-at field"), max_length=64, default="system_modified_at")
    direction = models.CharField(_("direction"), max_length=4, choices=Direction, default=Direction.BOTH)
    erp_filter = models.JSONField(_("table filter"), default=list, blank=True)
    crm_filter = models.JSONField(_("integration table filter"), default=list, blank=True)
    erp_template = models.JSONField(
        _("template for new ERP records"),
        default=dict,
        blank=True,
        help_text=_("Values that a new record starts with."),
    )
    crm_template = models.JSONField(_("template for new CRM rows"), default=dict, blank=True)
    only_coupled = models.BooleanField(
        _("synchronize only coupled records"),
        default=True,
        help_text=_("Scheduled runs then never create a record; a full synchronization does."),
    )
    depends_on = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="dependants", verbose_name=_("depends on")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("integration table mapping")
        verbose_name_plural = _("integration table mappings")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FieldKind(models.TextChoices):
    """How a value is carried over."""

    VALUE = "value", _("Value")
    LOOKUP = "lookup", _("Lookup through couplings")
    OPTION = "option", _("Option")


class FieldMapping(models.Model):
    """One ERP field ↔ one CRM column, with its direction and how its value is carried over."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="fields", verbose_name=_("mapping"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    erp_field = models.CharField(_("field"), max_length=64)
    crm_column = models.CharField(_("integration field"), max_length=100)
    direction = models.CharField(_("direction"), max_length=4, choices=Direction, default=Direction.BOTH)
    kind = models.CharField(_("kind"), max_length=6, choices=FieldKind, default=FieldKind.VALUE)
    lookup = models.ForeignKey(
        TableMapping,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="looked_up_by",
        verbose_name=_("lookup mapping"),
        help_text=_("The mapping whose couplings translate this reference."),
    )
    blank_means = models.CharField(
        _("blank means"),
        max_length=20,
        blank=True,
        default="",
        help_text=_("The key that a blank reference stands for, as a blank currency stands for the local one."),
    )
    option_table = models.CharField(
        _("option table"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Django model label of the ERP table whose codes are coupled to the options."),
    )
    clear_on_failed = models.BooleanField(
        _("clear value on failed sync"),
        default=False,
        help_text=_(
            "A reference to an uncoupled record stays blank and is filled in later, instead of holding up the record."
        ),
    )
    not_null = models.BooleanField(
        _("not null"), default=False, help_text=_("A blank value is left out instead of emptying the column.")
    )
    is_match_key = models.BooleanField(_("match on this field"), default=False)
    match_priority = models.PositiveSmallIntegerField(_("match priority"), default=0)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("integration field mapping")
        verbose_name_plural = _("integration field mappings")
        ordering = ["mapping", "position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["mapping", "crm_column"], name="one_field_per_column"),
            models.CheckConstraint(
                condition=models.Q(kind=FieldKind.LOOKUP, lookup__isnull=False)
                | ~models.Q(kind=FieldKind.LOOKUP) & models.Q(lookup__isnull=True),
                name="lookup_names_its_mapping",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.erp_field} · {self.crm_column}"


class OptionMapping(models.Model):
    """One code of an ERP table ↔ one value of a CRM option set, under one field mapping (mappings.md G-2)."""

    field_mapping = models.ForeignKey(
        FieldMapping, models.CASCADE, related_name="options", verbose_name=_("field mapping")
    )
    erp_code = models.CharField(_("code"), max_length=20)
    option_value = models.IntegerField(_("option value"))
    label = models.CharField(_("label"), max_length=250, blank=True, default="")

    class Meta:
        verbose_name = _("option mapping")
        verbose_name_plural = _("option mappings")
        ordering = ["field_mapping", "option_value"]
        constraints = [
            models.UniqueConstraint(fields=["field_mapping", "erp_code"], name="one_option_per_code"),
            models.UniqueConstraint(fields=["field_mapping", "option_value"], name="one_code_per_option"),
        ]

    def __str__(self) -> str:
        return f"{self.erp_code} · {self.label or self.option_value}"


class CouplingState(models.TextChoices):
    """A coupling's life: promised before the CRM row exists (I1), standing, or broken by a deletion."""

    PENDING = "pending", _("Pending")
    COUPLED = "coupled", _("Coupled")
    BROKEN = "broken", _("Broken")


class Coupling(models.Model):
    """This ERP record ↔ that CRM row under one mapping, with the values both agreed on last: the base.

    `base` maps a CRM column to `[ERP value, CRM value]`, each as its own side stores it, so that either side's
    change is seen by comparing it with itself and never by comparing two clocks (I3).
    """

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="couplings", verbose_name=_("mapping"))
    erp_id = models.UUIDField(_("ERP id"))
    crm_id = models.UUIDField(_("CRM id"))
    state = models.CharField(_("state"), max_length=8, choices=CouplingState, default=CouplingState.COUPLED)
    base = models.JSONField(_("base"), default=dict, blank=True)
    created_at = models.DateTimeField(_("coupled at"), auto_now_add=True)
    synchronized_at = models.DateTimeField(_("last synchronized"), null=True, blank=True)

    class Meta:
        verbose_name = _("coupling")
        verbose_name_plural = _("couplings")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["mapping", "erp_id"], name="one_coupling_per_erp_record"),
            models.UniqueConstraint(fields=["mapping", "crm_id"], name="one_coupling_per_crm_row"),
        ]
        indexes = [
            models.Index(fields=["mapping", "state"]),
            models.Index(
                fields=["mapping"], condition=models.Q(synchronized_at__isnull=True), name="never_synchronized"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mapping}: {self.erp_id} · {self.crm_id}"
