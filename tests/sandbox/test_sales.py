"""The sales tables: products, prices, quotes, orders and invoices, and their messages (dataverse-web-api.md 13)."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.sandbox.conftest import bulk, create, error_of, names, read
from tests.sandbox_process import SandboxSession


@dataclass
class Shop:
    """A company that sells: a unit group, a product with a price, and a customer."""

    api: SandboxSession
    schedule: str
    unit: str
    prices: str
    product: str
    account: str

    def document(self, entity_set: str, **values: Any) -> str:
        bind = {"customerid_account@odata.bind": f"/accounts({self.account})"}
        bind["pricelevelid@odata.bind"] = f"/pricelevels({self.prices})"
        return create(self.api, entity_set, name="D", **bind, **values)

    def line(self, entity_set: str, parent: str, **values: Any) -> str:
        bind = {"productid@odata.bind": f"/products({self.product})", "uomid@odata.bind": f"/uoms({self.unit})"}
        kind, row = parent.split("(")
        name = {"quotes": "quoteid", "salesorders": "salesorderid", "invoices": "invoiceid"}[kind]
        return create(self.api, entity_set, **{f"{name}@odata.bind": f"/{kind}({row}", **bind, **values})


@pytest.fixture
def shop(api: SandboxSession) -> Shop:
    schedule = create(api, "uomschedules", name="Pieces", baseuomname="PCS")
    unit = read(api, f"uoms?$filter=_uomscheduleid_value eq {schedule}")["value"][0]["uomid"]
    currency = read(api, "transactioncurrencies(isocurrencycode='EUR')")["transactioncurrencyid"]
    bind = {"transactioncurrencyid@odata.bind": f"/transactioncurrencies({currency})"}
    prices = create(api, "pricelevels", name="Europe", **bind)
    product = new_product(api, schedule, unit, "1000")
    item = {"pricelevelid": f"/pricelevels({prices})", "productid": f"/products({product})", "uomid": f"/uoms({unit})"}
    create(api, "productpricelevels", amount=12.5, **{f"{name}@odata.bind": value for name, value in item.items()})
    api("PATCH", f"products({product})", {"statecode": 0, "statuscode": 1})
    return Shop(api, schedule, unit, prices, product, create(api, "accounts", name="Customer"))


def new_product(api: SandboxSession, schedule: str, unit: str, number: str, **values: Any) -> str:
    bind = {
        "defaultuomscheduleid@odata.bind": f"/uomschedules({schedule})",
        "defaultuomid@odata.bind": f"/uoms({unit})",
    }
    return create(api, "products", name="Bicycle", productnumber=number, quantitydecimal=2, **bind, **values)


# -- products


def test_base_unit_comes_with_its_group(shop: Shop) -> None:
    unit = read(shop.api, f"uoms({shop.unit})")
    assert (unit["name"], unit["quantity"], unit["isschedulebaseuom"]) == ("PCS", 1, True)
    bind = {"uomscheduleid@odata.bind": f"/uomschedules({shop.schedule})"}
    box = create(shop.api, "uoms", name="BOX", quantity=12, **bind)
    assert read(shop.api, f"uoms({box})")["_baseuom_value"] == shop.unit


def test_a_product_begins_as_a_draft_and_never_returns_to_it(shop: Shop) -> None:
    product = new_product(shop.api, shop.schedule, shop.unit, "2000")
    address = f"products({product})"
    row = read(shop.api, address)
    assert (row["statecode"], row["statuscode"]) == (2, 0)
    for state, status in ((0, 1), (3, 3), (0, 1), (1, 2)):
        assert shop.api("PATCH", address, {"statecode": state, "statuscode": status}).status_code == 204
    assert error_of(shop.api("PATCH", address, {"statecode": 2, "statuscode": 0})) == (400, "0x80061035")
    assert error_of(shop.api("POST", f"{address}/Microsoft.Dynamics.CRM.PublishProductHierarchy", {})) == (
        400,
        "0x8004F90A",
    )


def test_product_numbers_are_unique_and_units_required(shop: Shop) -> None:
    bind = {
        "defaultuomscheduleid@odata.bind": f"/uomschedules({shop.schedule})",
        "defaultuomid@odata.bind": f"/uoms({shop.unit})",
    }
    body = {"name": "A", "productnumber": "1000", "quantitydecimal": 2}
    assert error_of(shop.api("POST", "products", body | bind))[0] == 412
    assert error_of(shop.api("POST", "products", body | {"productnumber": "9"})) == (400, "0x80040200")


def test_a_family_is_published_with_its_products(shop: Shop) -> None:
    family = create(shop.api, "products", name="Bicycles", productnumber="F", productstructure=2)
    bind = {"parentproductid@odata.bind": f"/products({family})"}
    child = new_product(shop.api, shop.schedule, shop.unit, "3000", **bind)
    publish = f"products({family})/Microsoft.Dynamics.CRM.PublishProductHierarchy"
    assert shop.api("POST", publish, {}).status_code == 204
    address = f"products({child})"
    assert read(shop.api, address)["statecode"] == 0
    assert error_of(shop.api("PATCH", address, {"name": "Other"})) == (400, "0x8004F995")
    assert shop.api("PATCH", address, {"statecode": 3, "statuscode": 3}).status_code == 204
    assert shop.api("PATCH", address, {"name": "Other"}).status_code == 204
    assert shop.api("POST", f"{address}/Microsoft.Dynamics.CRM.RevertProduct", {}).status_code == 204
    assert read(shop.api, address)["statecode"] == 0


def test_one_price_for_a_product_and_unit_in_the_currency_of_the_list(shop: Shop) -> None:
    item = read(shop.api, "productpricelevels")["value"][0]
    assert (item["productidname"], item["productnumber"]) == ("Bicycle", "1000")
    assert item["amount_base"] == pytest.approx(12.5 / 0.0857, abs=0.001)
    bind = {"pricelevelid": f"/pricelevels({shop.prices})", "productid": f"/products({shop.product})"}
    bind |= {"uomid": f"/uoms({shop.unit})"}
    body = {f"{name}@odata.bind": value for name, value in bind.items()}
    assert error_of(shop.api("POST", "productpricelevels", body)) == (400, "0x80043B08")
    krone = read(shop.api, "transactioncurrencies(isocurrencycode='NOK')")["transactioncurrencyid"]
    body["transactioncurrencyid@odata.bind"] = f"/transactioncurrencies({krone})"
    assert error_of(shop.api("POST", "productpricelevels", body)) == (400, "0x80048CEE")


@pytest.mark.parametrize(
    ("table", "entity_set", "offered"),
    [
        ("product", "products", True),
        ("salesorderdetail", "salesorderdetails", True),
        ("productpricelevel", "productpricelevels", False),
        ("uom", "uoms", False),
        ("post", "posts", False),
        ("annotation", "annotations", False),
    ],
)
def test_bulk_only_where_the_service_has_it(api: SandboxSession, table: str, entity_set: str, offered: bool) -> None:
    query = f"sdkmessagefilters?$filter=sdkmessageid/name eq 'CreateMultiple' and primaryobjecttypecode eq '{table}'"
    assert bool(read(api, query)["value"]) is offered
    refused = error_of(bulk(api, entity_set, "CreateMultiple", [{"nonsense": 1}], table))
    assert (refused[0] == 404) is not offered


# -- orders


def test_prices_and_totals(shop: Shop) -> None:
    order = shop.document("salesorders", discountpercentage=10, freightamount=5)
    address = f"salesorders({order})"
    shop.line("salesorderdetails", address, quantity=4, tax=3)
    own = {"isproductoverridden": True, "productdescription": "Painting", "priceperunit": 20, "quantity": 1}
    bind = {"salesorderid@odata.bind": f"/{address}"}
    written = create(shop.api, "salesorderdetails", **own, **bind)
    row = read(shop.api, f"{address}?$expand=order_details($select=priceperunit,baseamount,extendedamount)")
    assert row["ordernumber"].startswith("ORD-")
    assert sorted(line["extendedamount"] for line in row["order_details"]) == [20, 53]
    amounts = {name: row[name] for name in ("totallineitemamount", "totaldiscountamount", "totaltax", "totalamount")}
    assert amounts == {"totallineitemamount": 70, "totaldiscountamount": 7, "totaltax": 3, "totalamount": 71}
    assert row["totalamount_base"] == pytest.approx(71 / 0.0857, abs=0.001)
    shop.api("DELETE", f"salesorderdetails({written})")
    assert read(shop.api, address)["totallineitemamount"] == 50
    shop.api("PATCH", address, {"discountpercentage": 0})
    assert read(shop.api, address)["totalamount"] == 58


def test_locked_prices_stay(shop: Shop) -> None:
    order = shop.document("salesorders")
    address = f"salesorders({order})"
    shop.line("salesorderdetails", address, quantity=1)
    assert shop.api("POST", f"{address}/Microsoft.Dynamics.CRM.LockSalesOrderPricing", {}).status_code == 204
    shop.line("salesorderdetails", address, quantity=1, priceperunit=99)
    row = read(shop.api, address)
    assert (row["ispricelocked"], row["totalamount"]) == (True, 12.5)
    shop.api("POST", f"{address}/Microsoft.Dynamics.CRM.UnlockSalesOrderPricing", {})
    shop.line("salesorderdetails", address, quantity=1, priceperunit=99)
    assert read(shop.api, address)["totalamount"] == 12.5 + 99 + 12.5


def test_lines_say_what_is_sold(shop: Shop) -> None:
    bind = {"salesorderid@odata.bind": f"/salesorders({shop.document('salesorders')})"}
    product = {"productid@odata.bind": f"/products({shop.product})"}
    unit = {"uomid@odata.bind": f"/uoms({shop.unit})"}
    for body, code in (
        (product, "0x80043B0D"),
        ({**unit, "isproductoverridden": True, "productdescription": "X"}, "0x80043AFA"),
        ({}, "0x80040200"),
    ):
        assert error_of(shop.api("POST", "salesorderdetails", {**bind, **body})) == (400, code)
    assert error_of(shop.api("POST", "salesorderdetails", {**product, **unit})) == (400, "0x80040200")


def test_only_active_orders_are_edited(shop: Shop) -> None:
    address = f"salesorders({shop.document('salesorders')})"
    assert shop.api("PATCH", address, {"statecode": 1, "statuscode": 3}).status_code == 204
    assert error_of(shop.api("PATCH", address, {"name": "Other"}))[0] == 400
    for body in ({"statecode": 0, "statuscode": 1}, {"name": "Other"}, {"statecode": 1, "statuscode": 3}):
        assert shop.api("PATCH", address, body).status_code == 204
    assert names(shop.api, "salesorders") == ["Other"]


def test_currency_of_an_order_is_that_of_its_price_list(shop: Shop) -> None:
    krone = read(shop.api, "transactioncurrencies(isocurrencycode='NOK')")["transactioncurrencyid"]
    body = {
        "name": "D",
        "customerid_account@odata.bind": f"/accounts({shop.account})",
        "pricelevelid@odata.bind": f"/pricelevels({shop.prices})",
        "transactioncurrencyid@odata.bind": f"/transactioncurrencies({krone})",
    }
    assert error_of(shop.api("POST", "salesorders", body)) == (400, "0x80048CEE")


@pytest.mark.parametrize("path", ["salesorders/Microsoft.Dynamics.CRM.FulfillSalesOrder", "FulfillSalesOrder"])
def test_fulfill_bound_and_unbound(shop: Shop, path: str) -> None:
    order = shop.document("salesorders")
    close = {"subject": "Shipped", "salesorderid@odata.bind": f"/salesorders({order})"}
    body = {"OrderClose": {"@odata.type": "#Microsoft.Dynamics.CRM.orderclose", **close}, "Status": -1}
    assert shop.api("POST", path, body).status_code == 204
    row = read(shop.api, f"salesorders({order})")
    assert (row["statecode"], row["statuscode"]) == (3, 100001)
    assert error_of(shop.api("POST", path, body)) == (400, "0x80048408")
    assert error_of(shop.api("POST", path, {"OrderClose": {}}))[0] == 400
    assert error_of(shop.api("POST", path, {**body, "Status": 4}))[0] == 400


def test_from_quote_to_order_to_invoice(shop: Shop) -> None:
    opportunity = create(shop.api, "opportunities", name="Fleet")
    bind = {"opportunityid@odata.bind": f"/opportunities({opportunity})"}
    quote = shop.document("quotes", freightamount=10, **bind)
    shop.line("quotedetails", f"quotes({quote})", quantity=2)
    shop.api("PATCH", f"quotes({quote})", {"statecode": 1, "statuscode": 2})
    body = {"QuoteClose": {"subject": "Yes", "quoteid@odata.bind": f"/quotes({quote})"}, "Status": -1}
    assert shop.api("POST", "WinQuote", body).status_code == 204
    assert read(shop.api, f"quotes({quote})")["statuscode"] == 4
    convert = {"QuoteId": quote, "ColumnSet": {"AllColumns": False, "Columns": ["salesorderid", "totalamount"]}}
    order = shop.api("POST", "ConvertQuoteToSalesOrder", convert).json()
    assert order["totalamount"] == 35
    row = read(shop.api, f"salesorders({order['salesorderid']})")
    assert (row["_quoteid_value"], row["_opportunityid_value"]) == (quote, opportunity)
    convert = {"SalesOrderId": order["salesorderid"], "ColumnSet": {"AllColumns": True}}
    invoice = shop.api("POST", "ConvertSalesOrderToInvoice", convert).json()
    assert (invoice["totalamount"], invoice["_salesorderid_value"]) == (35, order["salesorderid"])
    value = f"opportunities({opportunity})/Microsoft.Dynamics.CRM.CalculateActualValueOpportunity()"
    assert read(shop.api, value)["Value"] == 35
    body = {"OpportunityClose": {"opportunityid@odata.bind": f"/opportunities({opportunity})"}, "Status": 3}
    assert shop.api("POST", "WinOpportunity", body).status_code == 204
    assert error_of(shop.api("POST", "LoseOpportunity", {**body, "Status": 4})) == (400, "0x80048408")
    address = f"invoices({invoice['invoiceid']})"
    assert shop.api("PATCH", address, {"statecode": 2, "statuscode": 100001}).status_code == 204


def test_cancel_order_and_close_quote(shop: Shop) -> None:
    order, quote = shop.document("salesorders"), shop.document("quotes")
    body = {"OrderClose": {"salesorderid@odata.bind": f"/salesorders({order})"}, "Status": -1}
    assert shop.api("POST", "CancelSalesOrder", body).status_code == 204
    body = {"QuoteClose": {"quoteid@odata.bind": f"/quotes({quote})"}, "Status": 6}
    assert shop.api("POST", "CloseQuote", body).status_code == 204
    assert names(shop.api, "salesorders", "statuscode") == [4]
    assert names(shop.api, "quotes", "statuscode") == [6]


# -- timeline


def test_notes_and_posts(shop: Shop) -> None:
    bind = {"objectid_account@odata.bind": f"/accounts({shop.account})"}
    note = create(shop.api, "annotations", subject="S", documentbody="AAAA", filename="a.txt", **bind)
    assert read(shop.api, f"annotations({note})")["isdocument"] is True
    post = create(shop.api, "posts", text="Hi", **{"regardingobjectid_account@odata.bind": bind.popitem()[1]})
    assert read(shop.api, f"posts({post})")["_regardingobjectid_value"] == shop.account
    assert error_of(shop.api("PATCH", f"posts({post})", {"text": "Ho"}))[0] == 405
    assert error_of(shop.api("POST", "posts", {"text": "Hi"})) == (400, "0x80040200")
    shop.api("DELETE", f"accounts({shop.account})")
    assert names(shop.api, "annotations", "subject") == []


def test_each_business_unit_has_its_copy_of_a_role(api: SandboxSession) -> None:
    root = read(api, "businessunits")["value"][0]["businessunitid"]
    unit = create(api, "businessunits", name="West", **{"parentbusinessunitid@odata.bind": f"/businessunits({root})"})
    query = f"roles?$filter=name eq 'System Customizer' and _businessunitid_value eq {unit}"
    copy = read(api, query)["value"][0]
    original = read(api, query.replace(unit, root))["value"][0]
    assert copy["_parentrootroleid_value"] == original["roleid"]
    assert copy["_roletemplateid_value"] == original["_roletemplateid_value"]


def test_reverting_a_revision_brings_the_product_back(shop: Shop) -> None:
    address = f"products({shop.product})"
    revert = f"{address}/Microsoft.Dynamics.CRM.RevertProduct"
    assert error_of(shop.api("POST", revert, {}))[0] == 400, "nothing is under revision"
    revise: dict[str, Any] = {"statecode": 3, "statuscode": 3}
    publish: dict[str, Any] = {"statecode": 0, "statuscode": 1}
    changes: dict[str, Any] = {"name": "Tandem", "price": 99.5, "description": "two seats", "quantityonhand": 7}
    before = read(shop.api, address)
    for body in (revise, changes, revise | {"name": "Tricycle"}):
        assert shop.api("PATCH", address, body).status_code == 204
    assert shop.api("POST", revert, {}).status_code == 204
    after = read(shop.api, address)
    changed = {name for name, value in after.items() if before[name] != value}
    assert changed == {"@odata.etag", "versionnumber", "quantityonhand"} | (changed & {"modifiedon"})
    assert (after["quantityonhand"], after["statecode"]) == (7, 0), "stock is no part of a revision"
    # What was published meanwhile is what a later revision goes back to.
    for body in (revise, {"name": "Tandem"}, publish, revise, {"name": "Tricycle", "price": 5}):
        assert shop.api("PATCH", address, body).status_code == 204
    assert shop.api("POST", revert, {}).status_code == 204
    assert (read(shop.api, address)["name"], read(shop.api, address)["price"]) == ("Tandem", before["price"])
