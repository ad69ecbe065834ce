"""One contender's run, measured from inside its own process; prints a line of JSON."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django
import requests


def main() -> None:
    """Run the contender named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmbridge.settings")
    django.setup()
    contender = {"crmbridge": crmbridge, "sdk": sdk}[sys.argv[1]]
    print(json.dumps(contender()))


def timed(work: Callable[[], int]) -> dict[str, float]:
    """What `work` took; it returns the number of its requests."""
    wall, cpu = time.perf_counter(), time.process_time()
    sent = work()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "requests": sent,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def crmbridge() -> dict[str, float]:
    """A full synchronization of the customers to the CRM, with couplings, bases and history."""
    from connection.models import CRMConnection
    from coupling.models import Coupling, Direction, TableMapping
    from sync.engine.run import synchronize

    client = CRMConnection.enabled().client()
    users = salespeople_as_users(client.who_am_i().business_unit_id)
    assert all(outcome.ok for outcome in client.create_many("systemuser", users))
    for name in ("SALESPEOPLE", "CURRENCY"):
        synchronize(TableMapping.objects.get(name=name), client, full=True)
    before = client.requests_sent

    def work() -> int:
        mapping = TableMapping.objects.get(name="CUSTOMER")
        (job,) = synchronize(mapping, client, direction=Direction.TO_CRM, full=True)
        assert job.inserted == Coupling.objects.filter(mapping=mapping).count() > 0, job.message_text
        return client.requests_sent - before

    return timed(work)


def salespeople_as_users(business_unit: UUID) -> list[dict[str, Any]]:
    """The company's salespeople as CRM users, as a CRM that is in use has them."""
    from financials.models import Salesperson

    return [
        {
            "systemuserid": str(person.system_id),
            "lastname": person.name,
            "internalemailaddress": person.e_mail,
            "islicensed": True,
            "businessunitid@odata.bind": f"/businessunits({business_unit})",
        }
        for person in Salesperson.objects.all()
    ]


def sdk() -> dict[str, float]:
    """The official SDK's bulk create of the same rows, a thousand a call as Microsoft recommends at most."""
    from azure.identity import ClientSecretCredential
    from PowerPlatform.Dataverse.client import DataverseClient

    details = json.loads(os.environ["SANDBOX"])
    credential = ClientSecretCredential(
        details["tenant"],
        details["client_id"],
        details["client_secret"],
        authority=details["authority"].rsplit("/", 1)[0],
        disable_instance_discovery=True,
    )
    client = DataverseClient(details["address"], credential)
    rows, sent = same_rows(), count_requests()

    def work() -> int:
        for start in range(0, len(rows), 1000):
            client.records.create("account", rows[start : start + 1000])
        return sent()

    return timed(work)


def same_rows() -> list[dict[str, Any]]:
    """The rows that crmbridge sends, without lookups to records that only its own run creates."""
    from coupling.defaults.parties import CUSTOMER
    from financials.models import Customer

    carried = [row for row in CUSTOMER.fields if row.is_enabled and not row.lookup and not row.options_of]
    records = Customer.objects.values(*[row.erp_field for row in carried])
    return [
        {
            "customertypecode": 3,
            **{
                row.crm_column: _json(record[row.erp_field])
                for row in carried
                if record[row.erp_field] not in ("", None)
            },
        }
        for record in records
    ]


def _json(value: Any) -> Any:
    return value if isinstance(value, str | int) else float(value)


def count_requests() -> Callable[[], int]:
    """Count what goes out through requests, token requests included."""
    total = 0
    send = requests.Session.send

    def counted(self: requests.Session, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        nonlocal total
        total += 1
        return send(self, request, **how)

    requests.Session.send = counted  # type: ignore[method-assign]
    return lambda: total


if __name__ == "__main__":
    main()
