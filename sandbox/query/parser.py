"""Recursive-descent parser of `$filter`: text in, syntax tree out (dataverse-web-api.md 5.1)."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.errors import DataverseError, bad_request
from sandbox.query.syntax import (
    Comparison,
    Filter,
    Junction,
    Lambda,
    Literal,
    Negation,
    Path,
    QueryFunction,
    TextMatch,
    Token,
    syntax_error,
    tokenize,
)

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
TEXT_FUNCTIONS = frozenset({"contains", "startswith", "endswith"})
_NAMESPACE = "Microsoft.Dynamics.CRM."
_WORDS = {"true": Literal("boolean", True), "false": Literal("boolean", False), "null": Literal("null", None)}
_END = Token("end", "")
_MAX_DEPTH = 100


class Parser:
    """Parses one filter. `aliases` holds the texts of `@name` parameters."""

    def __init__(self, text: str, aliases: Mapping[str, str] | None = None) -> None:
        self.text = text
        self.aliases = aliases or {}
        self.tokens = tokenize(text)
        self.position = 0
        self.depth = 0

    def parse(self) -> Filter:
        """Return the tree of the whole text. Raises DataverseError (400) when it is not one filter."""
        tree = self._any_of()
        if self._peek() is not _END:
            raise self._error()
        return tree

    # -- tokens

    def _peek(self, ahead: int = 0) -> Token:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else _END

    def _take(self) -> Token:
        token = self._peek()
        self.position += 1
        return token

    def _at(self, text: str) -> bool:
        return self._peek().text == text and self._peek().kind in ("mark", "name")

    def _expect(self, text: str) -> None:
        if not self._at(text):
            raise self._error()
        self.position += 1

    def _error(self) -> DataverseError:
        return syntax_error(self.text, self.position)

    # -- grammar

    def _any_of(self) -> Filter:
        return self._joined("or", lambda: self._joined("and", self._negated))

    def _joined(self, word: str, part: "Any") -> Filter:
        tests = [part()]
        while self._at(word):
            self._take()
            tests.append(part())
        return tests[0] if len(tests) == 1 else Junction(word, tuple(tests))

    def _negated(self) -> Filter:
        if self._at("not"):
            self._take()
            return Negation(self._negated())
        return self._test()

    def _test(self) -> Filter:
        if self._at("("):
            return self._grouped()
        token = self._peek()
        if token.kind == "name" and self._peek(1).text == "(":
            return self._call()
        left = self._operand()
        operator = self._take().text
        if operator not in COMPARISONS:
            raise self._error()
        return Comparison(operator, left, self._operand())

    def _grouped(self) -> Filter:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise bad_request("The filter is nested too deeply.")
        self._take()
        tree = self._any_of()
        self._expect(")")
        self.depth -= 1
        return tree

    def _call(self) -> Filter:
        name = self._take().text
        if name in TEXT_FUNCTIONS:
            return self._text_match(name)
        if name.startswith(_NAMESPACE):
            return QueryFunction(name[len(_NAMESPACE) :], self._arguments())
        collection, _, quantifier = name.rpartition("/")
        if quantifier in ("any", "all") and collection:
            return self._lambda(quantifier, collection)
        raise bad_request(f"An unknown function with name '{name}' was found.")

    def _text_match(self, name: str) -> Filter:
        self._expect("(")
        path = self._operand()
        self._expect(",")
        text = self._operand()
        self._expect(")")
        # `contains(name,'x') eq true` means the same as without the comparison.
        if self._at("eq") and self._peek(1).text in ("true", "false"):
            self._take()
            if self._take().text == "false":
                return Negation(self._matched(name, path, text))
        return self._matched(name, path, text)

    def _matched(self, name: str, path: "Path | Literal", text: "Path | Literal") -> TextMatch:
        if not isinstance(path, Path) or not isinstance(text, Literal):
            raise self._error()
        return TextMatch(name, path, text)

    def _lambda(self, quantifier: str, collection: str) -> Filter:
        self._expect("(")
        if self._at(")"):
            self._take()
            return Lambda(quantifier, collection, "", None)
        variable = self._take().text
        self._expect(":")
        test = self._any_of()
        self._expect(")")
        return Lambda(quantifier, collection, variable, test)

    def _arguments(self) -> dict[str, Any]:
        self._expect("(")
        arguments: dict[str, Any] = {}
        while not self._at(")"):
            name = self._take().text
            self._expect("=")
            arguments[name] = self._argument()
            if self._at(","):
                self._take()
        self._expect(")")
        return arguments

    def _argument(self) -> Any:
        if not self._at("["):
            value = self._operand()
            return value.value if isinstance(value, Literal) else "/".join(value.parts)
        self._take()
        values: list[Any] = []
        while not self._at("]"):
            values.append(self._argument())
            if self._at(","):
                self._take()
        self._take()
        return values

    def _operand(self) -> "Path | Literal":
        token = self._take()
        if token.kind == "name":
            return _WORDS.get(token.text) or Path(tuple(token.text.split("/")))
        if token.kind == "alias":
            return self._alias(token.text)
        if token.kind in ("end", "mark"):
            raise self._error()
        return _literal(token)

    def _alias(self, name: str) -> "Path | Literal":
        """Return what an alias stands for; an unassigned one is null (5.1)."""
        text = self.aliases.get(name)
        if text is None:
            return _WORDS["null"]
        if text.startswith("["):
            return Literal("list", json.loads(text.replace("'", '"')))
        return Parser(text)._operand()


def _literal(token: Token) -> Literal:
    if token.kind == "string":
        return Literal("string", token.text[1:-1].replace("''", "'"))
    if token.kind == "quoted":
        return Literal("string", json.loads(token.text))
    if token.kind == "enum":
        return Literal("string", token.text.partition("'")[2][:-1].replace("''", "'"))
    if token.kind == "number":
        number = Decimal(token.text)
        return Literal("number", int(number) if "." not in token.text and number == int(number) else number)
    return Literal(token.kind, token.text)


def parse_filter(text: str, aliases: Mapping[str, str] | None = None) -> Filter:
    """Return the syntax tree of a filter. Raises DataverseError (400)."""
    return Parser(text, aliases).parse()
