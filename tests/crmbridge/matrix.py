"""Who may do what at every address of the product: the matrix that `test_doors.py` holds against the real addresses.

A new address needs a line here, with every method that it answers; methods without a line are refused to everybody.
"""

from enum import IntEnum
from typing import Final


class Least(IntEnum):
    """The least that somebody has to be. `MEMBER` is signed in, and in no group."""

    ANYONE = 0
    MEMBER = 1
    VIEWER = 2
    USER = 3
    ADMINISTRATOR = 4


ANYONE, MEMBER, VIEWER, USER, ADMINISTRATOR = Least

_ADMINISTRATORS_LOOK: Final = {"GET": ADMINISTRATOR}
_ADMINISTRATORS_ACT: Final = {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR}
PAGES: Final = {
    "home": {"GET": MEMBER},
    "login": {"GET": ANYONE, "POST": ANYONE},
    "logout": {"POST": ANYONE},
    "healthz": {"GET": ANYONE},
    "readyz": {"GET": ANYONE},
    "metrics": {"GET": VIEWER},
    "set_language": {"POST": ANYONE},
    "choose_theme": {"POST": ANYONE},
    "connection": {"GET": VIEWER},
    "guide:resume": _ADMINISTRATORS_LOOK,
    "guide:step": _ADMINISTRATORS_ACT,
    "guide:task": _ADMINISTRATORS_ACT,
    "guide:address": _ADMINISTRATORS_LOOK,
    "guide:tables": {"POST": ADMINISTRATOR},
    "guide:availability": _ADMINISTRATORS_LOOK,
    "guide:roles": _ADMINISTRATORS_LOOK,
    "guide:counts": _ADMINISTRATORS_LOOK,
    "guide:health": {"GET": VIEWER},
    "guide:test": {"POST": ADMINISTRATOR},
    "guide:enable": _ADMINISTRATORS_ACT,
    "guide:disable": _ADMINISTRATORS_ACT,
    "guide:environment": _ADMINISTRATORS_ACT,
    "guide:defaults": _ADMINISTRATORS_ACT,
    "guide:mappings": {"GET": VIEWER},
    "guide:switch_mapping": {"POST": ADMINISTRATOR},
    "search": {"GET": MEMBER},
    "api": {"GET": MEMBER},
    "help": {"GET": MEMBER},
    "help_topic": {"GET": MEMBER},
    "copied_database": {"POST": ADMINISTRATOR},
    "company": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "users:list": {"GET": ADMINISTRATOR},
    "users:card": {"GET": ADMINISTRATOR},
    "users:change_web_service_key": {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR, "PUT": ADMINISTRATOR},
    "connection:sign-in": {"POST": ADMINISTRATOR},
    "connection:signed-in": _ADMINISTRATORS_LOOK,
    "connection:solution": {"GET": VIEWER},
    "preflight:all": _ADMINISTRATORS_LOOK,
    "preflight:stage": _ADMINISTRATORS_LOOK,
    "coupling:records": {"GET": VIEWER},
    "coupling:record": {"GET": VIEWER},
    "sync:jobs": {"GET": VIEWER},
    "sync:job": {"GET": VIEWER},
    "sync:errors": {"GET": VIEWER},
    "sync:conflicts": {"GET": VIEWER},
    "sync:record": {"GET": VIEWER},
    "sync:entries": {"GET": VIEWER},
    "sync:entry": {"GET": VIEWER},
    "sync:schedule": {"GET": USER, "POST": USER},
    "sync:entry_action": {"POST": USER},
    "sync:full_synchronization": {"GET": VIEWER},
    "sync:full_synchronization_of": {"GET": VIEWER},
    "sync:prepare_full_synchronization": {"POST": USER},
    "sync:cancel_full_synchronization": {"GET": USER, "POST": USER},
    "sync:full_synchronization_action": {"POST": USER},
    "sync:review_line_action": {"POST": USER},
    "sync:notifications": {"GET": VIEWER},
    "sync:bell": {"GET": VIEWER},
    "sync:read_notifications": {"POST": VIEWER},
    "sync:mail_choice": {"POST": VIEWER},
}

_LOOK: Final = {"GET": VIEWER}
_ADMINISTRATORS_DO: Final = {"POST": ADMINISTRATOR}
API: Final = {
    "api:schema": {"GET": MEMBER},
    "api:docs": {"GET": MEMBER},
    "api-v1:api-root": {"GET": MEMBER},
    "api-v1:customer-list": {"GET": VIEWER, "POST": USER},
    "api-v1:customer-detail": {"GET": VIEWER, "PUT": USER, "PATCH": USER},
    "api-v1:contact-list": {"GET": VIEWER, "POST": USER},
    "api-v1:contact-detail": {"GET": VIEWER, "PUT": USER, "PATCH": USER},
    "api-v1:item-list": {"GET": VIEWER, "POST": USER},
    "api-v1:item-detail": {"GET": VIEWER, "PUT": USER, "PATCH": USER},
    "api-v1:itemledgerentry-list": {"GET": VIEWER, "POST": USER},
    "api-v1:itemledgerentry-detail": _LOOK,
    "api-v1:webservicekey-list": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "api-v1:webservicekey-detail": {"GET": VIEWER, "DELETE": ADMINISTRATOR},
    # Neither session nor API key opens them, only the OData web service user's access key.
    "odata:service": {},
    "odata:metadata": {},
    "odata:items": {},
    "odata:item": {},
    "api-v1:crmconnection-list": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "api-v1:crmconnection-detail": {"GET": VIEWER, "PATCH": ADMINISTRATOR},
    "api-v1:crmconnection-test": _ADMINISTRATORS_DO,
    "api-v1:crmconnection-enable": _ADMINISTRATORS_DO,
    "api-v1:crmconnection-disable": _ADMINISTRATORS_DO,
    "api-v1:crmconnection-health": _LOOK,
    "api-v1:crmconnection-guide": _LOOK,
    "api-v1:crmconnection-options": {"GET": VIEWER, "PATCH": ADMINISTRATOR},
    "api-v1:crmconnection-default-setup": {"GET": VIEWER, "POST": ADMINISTRATOR},
    "api-v1:tablemapping-choose": _ADMINISTRATORS_DO,
    "api-v1:tablemapping-switch-on": _ADMINISTRATORS_DO,
    "api-v1:tablemapping-switch-off": _ADMINISTRATORS_DO,
    "api-v1:crmconnection-solution": _LOOK,
    "api-v1:crmconnection-roles": _LOOK,
    "api-v1:solutionimport-list": _LOOK,
    "api-v1:solutionimport-detail": _LOOK,
    "api-v1:preflight-list": {"GET": ADMINISTRATOR},
    "api-v1:crmconnection-claim": {"POST": ADMINISTRATOR},
    "api-v1:crmconnection-keep-off": {"POST": ADMINISTRATOR},
    "api-v1:crmconnection-keep-couplings": _ADMINISTRATORS_DO,
    "api-v1:crmconnection-delete-couplings": _ADMINISTRATORS_DO,
    "api-v1:companysettings-list": _LOOK,
    "api-v1:companysettings-detail": {"GET": VIEWER, "PUT": ADMINISTRATOR, "PATCH": ADMINISTRATOR},
    "api-v1:tablemapping-list": _LOOK,
    "api-v1:tablemapping-detail": _LOOK,
    "api-v1:coupling-list": _LOOK,
    "api-v1:coupling-detail": _LOOK,
    "api-v1:synchjob-list": _LOOK,
    "api-v1:synchjob-detail": _LOOK,
    "api-v1:syncherror-list": _LOOK,
    "api-v1:syncherror-detail": _LOOK,
    "api-v1:notification-list": _LOOK,
    "api-v1:notification-detail": _LOOK,
    "api-v1:notification-read": {"POST": VIEWER},
    "api-v1:notification-read-all": {"POST": VIEWER},
    "api-v1:conflict-list": _LOOK,
    "api-v1:waiting-list": _LOOK,
    "api-v1:waiting-detail": _LOOK,
    "api-v1:change-list": _LOOK,
    "api-v1:change-detail": _LOOK,
    "api-v1:jobqueueentry-list": _LOOK,
    "api-v1:jobqueueentry-detail": {"GET": VIEWER, "PATCH": USER},
    "api-v1:jobqueueentry-delays": _LOOK,
    "api-v1:jobqueueentry-hold": {"POST": USER},
    "api-v1:jobqueueentry-cancel": {"POST": USER},
    "api-v1:jobqueueentry-restart": {"POST": USER},
    "api-v1:fullsynchronization-list": _LOOK,
    "api-v1:fullsynchronization-detail": _LOOK,
    "api-v1:fullsynchronization-prepare": {"POST": USER},
    "api-v1:fullsynchronization-start": {"POST": USER},
    "api-v1:fullsynchronization-pause": {"POST": USER},
    "api-v1:fullsynchronization-cancel": {"POST": USER},
    "api-v1:fullsynchronization-restart": {"POST": USER},
    "api-v1:fullsynchronization-reset": {"POST": USER},
    "api-v1:fullsynchronization-restart-line": {"POST": USER},
    "api-v1:fullsynchronization-recommend-line": {"POST": USER},
    "api-v1:conflict-detail": _LOOK,
}

# The administration lets staff in only; these are its addresses that belong to no table.
_STAFF: Final = {"GET": ADMINISTRATOR}
_BUTTON: Final = {"POST": ADMINISTRATOR}
# Django's own pages do not look at the method; they only show.
_PAGE: Final = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), ADMINISTRATOR)
ADMIN: Final = {
    "admin:index": _PAGE,
    "admin:login": {"GET": ANYONE, "POST": ANYONE},
    "admin:logout": {"POST": ADMINISTRATOR},
    "admin:password_change": _STAFF | _BUTTON | {"PUT": ADMINISTRATOR},
    "admin:password_change_done": _STAFF,
    "admin:jsi18n": _STAFF,
    "admin:app_list": _PAGE,
    "admin:connection_crmconnection_test": _BUTTON,
    "admin:connection_crmconnection_enable": _BUTTON,
    "admin:connection_crmconnection_disable": _BUTTON,
}
# Refused to an administrator who is no superuser: only a superuser changes users.
SUPERUSERS: Final = {"admin:auth_user_password_change"}
# They answer no question without more parameters than an address has.
PASSED_OVER: Final = {"admin:autocomplete", "admin:view_on_site"}

# What an administrator may do with a table in the administration: view, add, change, delete.
TABLES: Final = {
    "auth.group": "v",
    "auth.user": "v",
    "crmbridge.apikey": "vac",
    "crmbridge.guidedraft": "vd",
    "connection.crmconnection": "vc",
    "connection.tablemetadata": "vd",
    "connection.solutionimport": "vd",
    "connection.requestbudget": "vd",
    "coupling.tablemapping": "vacd",
    "coupling.fieldmapping": "vacd",
    "coupling.optionmapping": "vacd",
    "coupling.coupling": "v",
    "sync.synchjob": "v",
    "sync.jobqueueentry": "vc",
    "sync.fullsynchronization": "v",
    "sync.syncherror": "v",
    "sync.waiting": "v",
    "sync.conflict": "v",
    "sync.change": "v",
    "sync.synchstate": "v",
    "sync.keyrange": "v",
    "sync.notification": "v",
    "sync.notificationreading": "v",
    "sync.mailreceiver": "v",
    "financials.companysettings": "vc",
    "financials.noseries": "vacd",
    "financials.salesperson": "vacd",
    "financials.currency": "vacd",
    "financials.currencyexchangerate": "vacd",
    "financials.paymentterms": "vacd",
    "financials.shipmentmethod": "vacd",
    "financials.shippingagent": "vacd",
    "financials.customer": "vacd",
    "financials.contact": "vacd",
    "financials.unitofmeasure": "vacd",
    "financials.item": "vacd",
    "financials.itemledgerentry": "va",
    "financials.webservicekey": "vd",
}
