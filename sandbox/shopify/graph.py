"""Carries out GraphQL documents over plain dictionaries, and counts what they cost.

A value may be a function of the field's arguments. A list with `nodes` or `edges` below it is a connection.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    parse,
)

Object = dict[str, Any]
MUTATION_COST = 10


class RefusedError(Exception):
    """An error of the whole document."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Document:
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    made: int = 0
    key: str | None = field(default=None)
    """The idempotency key of the mutation that runs."""

    @property
    def is_mutation(self) -> bool:
        return self.operation.operation.value == "mutation"


def read(text: str, variables: Mapping[str, Any] | None) -> Document:
    """Raises `RefusedError` for a document that cannot be read or whose variables are not as it says."""
    try:
        found = parse(text).definitions
    except GraphQLError as error:
        raise RefusedError(error.message) from None
    operation = next(one for one in found if isinstance(one, OperationDefinitionNode))
    given = variables or {}
    declared = {one.variable.name.value for one in operation.variable_definitions or ()}
    if unknown := set(given) - declared:
        raise RefusedError(f"Variables not declared: {sorted(unknown)}", "argumentNotAccepted")
    return Document(operation, given)


def run(document: Document, roots: Mapping[str, Callable[..., Any]], *, whole: bool = False) -> Object:
    """`whole`: connections are given without pages, as in a bulk operation."""
    answer: Object = {}
    for node in _fields(document, document.operation.selection_set, {}):
        name = node.name.value
        if name not in roots:
            raise RefusedError(f"Field '{name}' doesn't exist on type 'QueryRoot'", "undefinedField")
        document.key = _idempotency(document, node)
        value = roots[name](**_arguments(document, node, paged=_is_connection(node)))
        answer[_alias(node)] = _value(document, node, value, whole)
    return answer


def _value(document: Document, node: FieldNode, value: Any, whole: bool) -> Any:
    below = node.selection_set
    if below is None or value is None:
        return value
    if isinstance(value, list) and _is_connection(node):
        if whole:
            return [_object(document, below_of(node), one, whole) for one in value]
        return _page(document, node, below, value)
    if isinstance(value, list):
        return [None if one is None else _object(document, below, one, whole) for one in value]
    return _object(document, below, value, whole)


def below_of(node: FieldNode) -> SelectionSetNode:
    """What a connection selects of each node."""
    for one in _below(node).selections:
        if isinstance(one, FieldNode) and one.name.value == "nodes":
            return _below(one)
        if isinstance(one, FieldNode) and one.name.value == "edges":
            return _below(next(inner for inner in _below(one).selections if isinstance(inner, FieldNode)))
    raise RefusedError("A connection without nodes")


def _below(node: FieldNode) -> SelectionSetNode:
    if node.selection_set is None:
        raise RefusedError(f"Field '{node.name.value}' must have selections", "missingSelections")
    return node.selection_set


def _object(document: Document, below: SelectionSetNode, found: Object, whole: bool) -> Object:
    document.made += 1
    answer: Object = {}
    for node in _fields(document, below, found):
        name = node.name.value
        if name == "__typename":
            answer[_alias(node)] = found["__typename"]
            continue
        if name not in found:
            kind = found.get("__typename", "object")
            raise RefusedError(f"Field '{name}' doesn't exist on type '{kind}'", "undefinedField")
        value = found[name]
        if callable(value):
            value = value(**_arguments(document, node, paged=_is_connection(node)))
        answer[_alias(node)] = _value(document, node, value, whole)
    return answer


def _page(document: Document, node: FieldNode, below: SelectionSetNode, values: list[Any]) -> Object:
    asked = _arguments(document, node)
    first = asked.get("first")
    if first is None:
        raise RefusedError(
            f"you must provide one of first or last on {node.name.value}", "missingRequiredArguments"
        )
    if not 1 <= first <= 250:
        raise RefusedError("first must be between 1 and 250", "argumentLiteralsIncompatible")
    start = int(base64.b64decode(asked["after"])) if asked.get("after") else 0
    part = values[start : start + first]
    answer: Object = {}
    for one in below.selections:
        if not isinstance(one, FieldNode):
            continue
        if one.name.value == "pageInfo":
            end = base64.b64encode(str(start + len(part)).encode()).decode()
            more = start + len(part) < len(values)
            answer["pageInfo"] = {"hasNextPage": more, "endCursor": end if part else None}
        elif one.name.value == "nodes":
            answer["nodes"] = [_object(document, _below(one), item, False) for item in part]
    return answer


def _fields(document: Document, below: SelectionSetNode, found: Object) -> Iterator[FieldNode]:
    for one in below.selections:
        match one:
            case FieldNode():
                if _included(document, one):
                    yield one
            case InlineFragmentNode():
                wanted = one.type_condition
                if wanted is None or wanted.name.value == found.get("__typename"):
                    yield from _fields(document, one.selection_set, found)
            case FragmentSpreadNode():
                raise RefusedError("Named fragments are not kept here")


def cost(document: Document) -> int:
    """Points that the document may cost at most: objects one, connections their size times their nodes."""
    total = _cost(document, document.operation.selection_set)
    count = sum(isinstance(one, FieldNode) for one in document.operation.selection_set.selections)
    return total + (MUTATION_COST * count if document.is_mutation else 0)


def _cost(document: Document, below: SelectionSetNode) -> int:
    total, branches = 0, [0]
    for one in below.selections:
        if isinstance(one, InlineFragmentNode):
            branches.append(_cost(document, one.selection_set))
        elif isinstance(one, FieldNode) and one.selection_set is not None:
            asked = _arguments(document, one)
            if _is_connection(one):
                total += int(asked.get("first") or 1) * (1 + _cost(document, below_of(one)))
            else:
                many = len(asked["ids"]) if isinstance(asked.get("ids"), list) else 1
                total += many * (1 + _cost(document, one.selection_set))
    return total + max(branches)


def _is_connection(node: FieldNode) -> bool:
    below = node.selection_set
    return below is not None and any(
        isinstance(one, FieldNode) and one.name.value in ("nodes", "edges") for one in below.selections
    )


def _alias(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def _arguments(document: Document, node: FieldNode, *, paged: bool = False) -> Object:
    found = {one.name.value: _constant(document, one.value) for one in node.arguments or ()}
    return {name: value for name, value in found.items() if not (paged and name in ("first", "after"))}


def _idempotency(document: Document, node: FieldNode) -> str | None:
    found = _directive(document, node, "idempotent")
    return None if found is None else str(found["key"])


def _included(document: Document, node: FieldNode) -> bool:
    found = _directive(document, node, "include")
    return found is None or bool(found["if"])


def _directive(document: Document, node: FieldNode, name: str) -> Object | None:
    one: DirectiveNode | None = next((d for d in node.directives or () if d.name.value == name), None)
    if one is None:
        return None
    return {part.name.value: _constant(document, part.value) for part in one.arguments or ()}


def _constant(document: Document, node: ValueNode) -> Any:
    match node:
        case VariableNode():
            return document.variables.get(node.name.value)
        case IntValueNode():
            return int(node.value)
        case FloatValueNode():
            return float(node.value)
        case StringValueNode() | EnumValueNode() | BooleanValueNode():
            return node.value
        case ListValueNode():
            return [_constant(document, one) for one in node.values]
        case ObjectValueNode():
            return {one.name.value: _constant(document, one.value) for one in node.fields}
        case NullValueNode():
            return None
    raise RefusedError("A value that cannot be read")
