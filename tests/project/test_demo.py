"""The demo plays the whole chain in a folder of its own, tells the truth, and can be stopped at any time."""

import fcntl
import signal
from pathlib import Path
from uuid import UUID

import pytest

from connection.dataverse.client import DataverseClient
from connection.dataverse.writing import RowUpdate
from coupling.defaults.install import install_defaults
from coupling.models import Coupling, TableMapping
from coupling.options import couple_options
from crmbridge.demo.agreement import disagreements
from crmbridge.demo.crm_side import seed_crm
from financials.demo import create_demo_company
from financials.models import Contact, Customer
from sync.engine.chain import synchronize_all
from tests.project.processes import environment, manage, managing, wait_until, working_in

CUSTOMERS = "12"


@pytest.mark.any_database
def test_the_story_ends_with_both_sides_equal_and_so_does_its_continuation(tmp_path: Path) -> None:
    for more in ([], ["--keep"]):
        done = manage("demo", "--once", "--customers", CUSTOMERS, "--port", "0", *more, env=environment(tmp_path))

        assert done.returncode == 0, done.stdout + done.stderr
        assert "Both sides agree" in done.stdout
        assert "lost" not in done.stdout
        assert not working_in(tmp_path)


@pytest.mark.any_database
@pytest.mark.parametrize(("moment", "number"), [("Web and worker", signal.SIGTERM), ("Look around", signal.SIGINT)])
def test_a_signal_at_any_moment_leaves_no_process(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    log = tmp_path / "log"
    arguments = ("demo", "--customers", CUSTOMERS, "--port", "0")
    with managing(*arguments, env=environment(tmp_path), log=log) as demo:
        wait_until(lambda: moment in log.read_text() or demo.poll() is not None)
        assert moment in log.read_text(), log.read_text()
        demo.send_signal(number)
        demo.wait(200)

    assert not working_in(tmp_path)


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("setting", "reason"),
    [({"DATABASE_URL": "sqlite:///company.sqlite3"}, "DATABASE_URL is set"), ({"CRMBRIDGE_ENV": "production"}, "")],
)
def test_real_data_is_refused(tmp_path: Path, setting: dict[str, str], reason: str) -> None:
    keys = {"SECRET_KEY": "k" * 60, "CRMBRIDGE_FERNET_KEYS": "uBh_WGI5GZ3NDp0rUPrVYd2gSJTVrB7g0kJXWJcWvrQ="}
    done = manage("demo", "--once", env=environment(tmp_path, **setting, **keys))

    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.any_database
def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = manage("demo", "--once", env=environment(tmp_path))

    assert done.returncode == 1
    assert "A demo is running already" in done.stderr


@pytest.fixture
def agreed(crm: DataverseClient) -> DataverseClient:
    """Two sides that hold the same."""
    create_demo_company(10)
    seed_crm(crm)
    install_defaults("NOK", "NOK")
    couple_options(crm)
    synchronize_all(TableMapping.objects.all(), crm, full=True)
    assert disagreements(crm) == []
    return crm


def coupled(mapping: str, erp_id: UUID) -> Coupling:
    return Coupling.objects.get(mapping__name=mapping, erp_id=erp_id)


def test_the_comparison_sees_another_value_on_either_side(agreed: DataverseClient) -> None:
    customer, contact = Customer.objects.all()[0], Contact.objects.all()[0]
    Customer.objects.filter(pk=customer.pk).update(city="Elsewhere")
    row = coupled("CONTACT", contact.pk).crm_id
    agreed.update_many("contact", [RowUpdate(row, {"telephone1": "1"}, None)])

    told = disagreements(agreed)
    assert len(told) == 2
    assert any("city is “Elsewhere” in the ERP" in line for line in told)
    assert any("phone_no" in line and "“1” in the CRM" in line for line in told)


def test_the_comparison_sees_another_reference(agreed: DataverseClient) -> None:
    row = coupled("CONTACT", Contact.objects.all()[0].pk).crm_id
    other = coupled("CUSTOMER", Customer.objects.exclude(no=Contact.objects.all()[0].customer_no)[0].pk).crm_id
    values = {"parentcustomerid_account@odata.bind": f"/accounts({other})"}
    agreed.update_many("contact", [RowUpdate(row, values, None)])

    assert any("customer is" in line for line in disagreements(agreed))


def test_the_comparison_sees_a_record_without_partner(agreed: DataverseClient) -> None:
    Customer.objects.create(name="Newcomer AS")
    agreed.create_many(
        "account", [{"accountid": "0f2a6a2e-6e5c-4f0a-8a4c-0c1ad6d0a0a1", "name": "X", "customertypecode": 3}]
    )

    told = disagreements(agreed)
    assert "CUSTOMER: 1 records are in the ERP only" in told
    assert "CUSTOMER: 1 rows are in the CRM only" in told
