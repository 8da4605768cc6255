"""MicroPython's `micropython` module on CPython: constants stay values, emitters stay bytecode."""

from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")
_Function = TypeVar("_Function", bound=Callable[..., object])


def const(value: _Value) -> _Value:
    return value


def native(function: _Function) -> _Function:
    return function


def viper(function: _Function) -> _Function:
    return function
