"""The admin site under the product's name."""

from django.contrib.admin import AdminSite
from django.utils.translation import gettext_lazy as _


class CrmbridgeAdminSite(AdminSite):
    """Django admin with crmbridge's name on it."""

    site_header = _("crmbridge administration")
    site_title = "crmbridge"
    index_title = _("Tables")
