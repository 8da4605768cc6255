"""The data-protection record of a policy: rows tied to the law, each with its evidence, as HTML and as Markdown.

The rows are data (record.toml). A row is evidenced by a test that is in the tree, a document that is there, or a person
who has to sign: software cannot say that a purpose is lawful.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from hadeda.board.problems import read_toml, validated
from hadeda.board.schema import Strict
from hadeda.errors import PolicyError
from hadeda.paths import ROOT
from hadeda.policy.schema import Policy, decimal_text

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER: Final = Path(__file__).parent
RECORD_FILE: Final = FOLDER / "record.toml"
PRINCIPLES: Final = {
    "purpose": "Purpose",
    "minimality": "Minimality",
    "retention": "Retention",
    "security": "Security measures",
    "openness": "Openness",
    "participation": "Participation",
}
LAWS: Final = {
    "popia": "POPIA section {}",
    "gdpr": "GDPR article {}",
    "etsi": "ETSI EN 303 645 provision {}",
}
TITLES: Final = {
    "popia": "POPIA, sections 8 to 25",
    "gdpr": "GDPR, articles 5, 25, 30 and 35",
    "etsi": "ETSI EN 303 645, data-protection provisions",
}

KINDS: Final = ("test", "document", "person")

Text = Annotated[str, StringConstraints(min_length=1)]


class Evidence(Strict):
    """One of: a pytest node, a file of the project, a person and what they have to do."""

    test: Text | None = None
    document: Text | None = None
    person: Text | None = None
    shows: Text | None = None
    does: Text | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.test, self.document, self.person)) != 1:
            raise ValueError("is a test, a document or a person")
        if (self.does is None) != (self.person is None) or (self.shows is None) == (self.person is None):
            raise ValueError("a person does something, a test or document shows something")
        return self


class Row(Strict):
    """One statement of the record."""

    principle: Literal["purpose", "minimality", "retention", "security", "openness", "participation"]
    title: Text
    says: Text
    popia: tuple[Text, ...] = Field(default=(), strict=False)
    gdpr: tuple[Text, ...] = Field(default=(), strict=False)
    etsi: tuple[Text, ...] = Field(default=(), strict=False)
    evidence: tuple[Evidence, ...] = Field(min_length=1, strict=False)


class Record(Strict):
    """record.toml: what the provisions are called, and the rows."""

    popia: dict[str, Text]
    gdpr: dict[str, Text]
    etsi: dict[str, Text]
    rows: tuple[Row, ...] = Field(alias="row", min_length=1, strict=False)

    @model_validator(mode="after")
    def _provisions_are_known(self) -> Self:
        for row in self.rows:
            for law in LAWS:
                unknown = set(getattr(row, law)) - set(getattr(self, law))
                if unknown:
                    raise ValueError(f"{row.title!r} names {law} {', '.join(sorted(unknown))}, which has no title")
        return self

    @property
    def to_sign(self) -> int:
        """How many rows wait for a person."""
        return sum(any(evidence.person for evidence in row.evidence) for row in self.rows)


def load_record(file: Path = RECORD_FILE) -> Record:
    """The rows; raises BoardError naming file, table and key."""
    return validated(Record, read_toml(file), file)


@dataclass(frozen=True)
class Absent:
    """Evidence that a row names and the tree does not have."""

    row: str
    what: str


def absent(record: Record, root: Path = ROOT) -> Iterator[Absent]:
    """Every test and document that is not in the tree below `root`."""
    for row in record.rows:
        for evidence in row.evidence:
            if evidence.document and not (root / evidence.document).is_file():
                yield Absent(row.title, evidence.document)
            if evidence.test and not has_test(root, evidence.test):
                yield Absent(row.title, evidence.test)


def has_test(root: Path, node: str) -> bool:
    """Whether the pytest node `file.py::function` or `file.py::Class::function` is defined below `root`."""
    file, *names = node.partition("[")[0].split("::")
    path = root / file
    if not names or not path.is_file():
        return False
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    for place, name in enumerate(names):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef) if place == len(names) - 1 else (ast.ClassDef,)
        found = next((item for item in body if isinstance(item, kinds) and item.name == name), None)
        if found is None:
            return False
        body = found.body
    return True


def write_record(policy: Policy, record: Record, folder: Path) -> list[Path]:
    """Write the record as HTML and Markdown into `folder`; raises PolicyError where evidence is missing."""
    missing = list(absent(record))
    if missing:
        named = "; ".join(f"{item.row}: {item.what}" for item in missing)
        raise PolicyError(f"the record names evidence that is not there ({named})", "correct record.toml or the tree")
    written = []
    for kind in ("html", "md"):
        file = folder / f"{policy.name}-record.{kind}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(render(policy, record, kind), encoding="utf-8")
        except OSError as error:
            raise PolicyError(f"{file} cannot be written ({error.strerror})", "name another folder") from error
        written.append(file)
    return written


def render(policy: Policy, record: Record, kind: str) -> str:
    """The record as `html` or `md`. The same policy and rows give the same text."""
    from hadeda.policy import explain, noise

    environment = _environment(kind)
    values: dict[str, Any] = {
        "policy": policy,
        "odds": noise.odds_factor(policy.traffic.epsilon_release),
    }

    def said(text: str) -> str:
        return environment.from_string(text).render(values)

    rows = [_shown(record, number, row, said) for number, row in enumerate(record.rows, 1)]
    sections = [
        (title, [row for row in rows if row["principle"] == principle]) for principle, title in PRINCIPLES.items()
    ]
    return environment.get_template(f"record.{kind}.j2").render(
        values,
        sections=sections,
        index=_index(record),
        rows=len(rows),
        to_sign=record.to_sign,
        evidence={kind: len({getattr(e, kind) for r in record.rows for e in r.evidence} - {None}) for kind in KINDS},
        leaves=explain.leaves(policy),
        never=explain.NEVER,
        exactness=explain.exactness(policy),
        revelation=explain.revelation(policy),
    )


def _shown(record: Record, number: int, row: Row, said: Any) -> dict[str, Any]:
    laws = [
        (LAWS[law].format(provision), getattr(record, law)[provision])
        for law in LAWS
        for provision in getattr(row, law)
    ]
    evidence = [item.model_copy(update={"does": said(item.does)}) if item.does else item for item in row.evidence]
    shown = {"number": number, "principle": row.principle, "title": row.title, "says": said(row.says)}
    return shown | {"laws": laws, "evidence": evidence}


def _index(record: Record) -> list[tuple[str, list[tuple[str, str, list[int]]]]]:
    """By law: its provisions, what they are called, and the numbers of the rows that answer them."""
    return [
        (
            title,
            [
                (provision, name, [at for at, row in enumerate(record.rows, 1) if provision in getattr(row, law)])
                for provision, name in getattr(record, law).items()
            ],
        )
        for law, title in TITLES.items()
    ]


def _for_markdown(value: Any) -> Any:
    """What a policy says must neither end a table's cell nor become a tag."""
    return value.replace("<", "&lt;").replace("|", "&#124;") if isinstance(value, str) else value


def _environment(kind: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=kind == "html",
        finalize=None if kind == "html" else _for_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["squash"] = lambda text: " ".join(text.split())
    environment.globals["decimal"] = decimal_text
    return environment
