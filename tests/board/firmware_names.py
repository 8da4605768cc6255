"""Which names of MicroPython's modules the firmware uses, from its syntax trees."""

import ast

from hadeda.paths import FIRMWARE

COMPILED_AWAY = {"micropython.native", "micropython.viper", "micropython.asm_xtensa", "micropython.asm_rv32"}


def names_used(modules: set[str]) -> dict[str, str]:
    """`module.name` or `module.Class.attribute` -> the first file that uses it."""
    found: dict[str, str] = {}
    for path in sorted(FIRMWARE.rglob("*.py")):
        for name in _names_in(ast.parse(path.read_text()), modules):
            found.setdefault(name, path.relative_to(FIRMWARE).as_posix())
    return {name: file for name, file in found.items() if name not in COMPILED_AWAY}


def _names_in(tree: ast.AST, modules: set[str]) -> list[str]:
    bound: dict[str, str] = {}  # a name in the file -> what it stands for
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {(alias.asname or alias.name): alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            bound |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    dotted = [name for name in bound.values() if name not in modules]
    return dotted + [name for node in ast.walk(tree) if (name := _attribute(node, bound, modules))]


def _attribute(node: ast.AST, bound: dict[str, str], modules: set[str]) -> str | None:
    """`machine.UART` and `machine.UART.IRQ_RX`; None for attributes of anything but a module or its class."""
    if not isinstance(node, ast.Attribute):
        return None
    if isinstance(node.value, ast.Name) and node.value.id in bound:
        return f"{bound[node.value.id]}.{node.attr}"
    inner = _attribute(node.value, bound, modules)
    return f"{inner}.{node.attr}" if inner and inner.rsplit(".", 1)[-1][:1].isupper() else None
