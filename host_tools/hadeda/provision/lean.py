"""What a node need not carry of its own source is taken out before mpy-cross sees it: its heap is small.

On the node every name costs: in the table of all names, where it stays for ever, and in the dict of each module that
imports it. So the labels, a table for readers, become the numbers they stand for; what only a type checker reads
goes; and private names, which nobody outside a module may use, are numbered in each, the same few in all of them.
What a module does is not touched; whatever is not understood is refused, never guessed.
"""

import ast
import re
from pathlib import Path
from typing import NoReturn

from hadeda.envelope import labels
from hadeda.errors import ProvisionError

PACKAGE, MODULE = "envelope", "labels"
TABLE = f"{PACKAGE}.{MODULE}"
TYPE_CHECKING = "TYPE_CHECKING"
_ADVICE = "see hadeda/provision/lean.py, or update the clone"
_PRIVATE = re.compile(r"_[A-Za-z]\w*")
# Where Python's syntax tree has names
_NAMED: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Name: ("id",),
    ast.Attribute: ("attr",),
    ast.arg: ("arg",),
    ast.FunctionDef: ("name",),
    ast.AsyncFunctionDef: ("name",),
    ast.ClassDef: ("name",),
    ast.ExceptHandler: ("name",),
}


def lean(source: Path) -> str:
    """The source as the node compiles it. Raises ProvisionError for a use of labels it cannot replace."""
    tree = _Lean(source).visit(ast.parse(source.read_text()))
    _number_private_names(tree, source)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _number_private_names(tree: ast.AST, source: Path) -> None:
    """Rename every private name of a module, methods and attributes included: _0, _1, ... as they come."""
    numbers: dict[str, str] = {}
    made = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PRIVATE.fullmatch(node.value):
            _refuse(source, node, f"the private name {node.value} as a text")
        for field in _NAMED.get(type(node), ()):
            name = getattr(node, field)
            if name is None or not _PRIVATE.fullmatch(name):
                continue
            setattr(node, field, numbers.setdefault(name, f"_{len(numbers):x}"))
            if not isinstance(getattr(node, "ctx", None), ast.Load):
                made.add(name)
        if any(_PRIVATE.fullmatch(name) for name in _spelt(node)):
            _refuse(source, node, "a private name across modules, as a keyword or declared global")
    for name in numbers:
        if name not in made:
            raise ProvisionError(f"{source} uses the private name {name} of another module", _ADVICE)


def _spelt(node: ast.AST) -> list[str]:
    """Names in places where a number cannot stand for them."""
    match node:
        case ast.alias():
            return [*node.name.split("."), node.asname or ""]
        case ast.keyword():
            return [node.arg or ""]
        case ast.Global() | ast.Nonlocal():
            return node.names
    return []


def _refuse(source: Path, node: ast.AST, what: str) -> NoReturn:
    raise ProvisionError(f"{source}:{getattr(node, 'lineno', '?')}: {what} cannot be left out", _ADVICE)


class _Lean(ast.NodeTransformer):
    """One module. `_values` maps the names it imported from the table, `_whole` is set when it imported the table."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._whole = False
        self._values: dict[str, ast.expr] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        match node:
            case ast.Assign(targets=[ast.Name(id="TYPE_CHECKING")], value=ast.Constant(value=False)):
                return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
                return None
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        if any(alias.name == TABLE for alias in node.names):
            self._refuse(node, f"import {TABLE}")
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module == TABLE:
            for alias in node.names:
                if alias.asname is not None:
                    self._refuse(node, f"{alias.name} under another name")
                self._values[alias.name] = self._value(node, alias.name)
            return None
        if node.module == PACKAGE and any(alias.name == MODULE for alias in node.names):
            if any(alias.name == MODULE and alias.asname is not None for alias in node.names):
                self._refuse(node, f"{MODULE} under another name")
            self._whole = True
            node.names = [alias for alias in node.names if alias.name != MODULE]
            return node if node.names else None
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if self._whole and isinstance(node.value, ast.Name) and node.value.id == MODULE:
            if not isinstance(node.ctx, ast.Load):
                self._refuse(node, f"a change of {MODULE}.{node.attr}")
            return self._value(node, node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._values:
            if not isinstance(node.ctx, ast.Load):
                self._refuse(node, f"a change of {node.id}")
            return self._values[node.id]
        if node.id == TYPE_CHECKING or (self._whole and node.id == MODULE):
            self._refuse(node, f"{node.id} by itself")
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        if node.arg in self._values or (self._whole and node.arg == MODULE):
            self._refuse(node, f"an argument called {node.arg}")
        return self.generic_visit(node)

    def _value(self, node: ast.stmt | ast.expr, name: str) -> ast.expr:
        """A label's value as a literal: an integer, a string or a tuple of integers."""
        value = getattr(labels, name, None)
        if isinstance(value, tuple) and all(type(item) is int for item in value):
            return ast.Tuple([ast.Constant(item) for item in value], ast.Load())
        if type(value) is not int and not isinstance(value, str):
            self._refuse(node, f"{name}, which is no number, text or tuple of numbers")
        return ast.Constant(value)

    def _refuse(self, node: ast.stmt | ast.expr | ast.arg, what: str) -> NoReturn:
        _refuse(self._source, node, what)
