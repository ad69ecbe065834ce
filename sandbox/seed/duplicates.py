"""Plant the duplicate detection rules that the service ships, published (dataverse-web-api.md 4.9)."""

from sandbox.metadata.columns import metadata_id
from sandbox.rows.writing import Writer

_RULES = {
    "Accounts with the same Account Name": ("account", "name"),
    "Accounts with the same e-mail address": ("account", "emailaddress1"),
    "Contacts with the same e-mail address": ("contact", "emailaddress1"),
}


def plant_rules(writer: Writer) -> None:
    """Make the rules and put them in force."""
    table = writer.catalog.table("duplicaterule")
    for name, (entity, column) in _RULES.items():
        identity = metadata_id("seed", table.name, name)
        condition = {
            "duplicateruleconditionid": metadata_id("seed", "duplicaterulecondition", name),
            "baseattributename": column,
            "matchingattributename": column,
            "operatorcode": 0,
            "ignoreblankvalues": True,
        }
        rule = {table.id: identity, "name": name, "baseentityname": entity, "matchingentityname": entity}
        writer.create(table, [{**rule, "DuplicateRule_DuplicateRuleConditions": [condition]}])
        writer.store_changes(table, [{"statecode": 1, "statuscode": 2, table.id: identity}])
