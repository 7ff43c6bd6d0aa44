"""The code base tests its own manners: what reviewers would otherwise have to remember."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "crates" / "novate-core" / "src"
CODE = sorted(
    path
    for folder in ("crates", "src", "tests", "scripts", "benches", "examples")
    for suffix in ("py", "pyi", "rs", "sh")
    for path in (ROOT / folder).rglob(f"*.{suffix}")
    if not path.is_relative_to(ROOT / "benches" / "out")  # what a benchmark run left there
)
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLAIN = [ROOT / name for name in ("Makefile", "pyproject.toml", "Cargo.toml", "clippy.toml", ".ci/run")]
EVERYTHING = [path for path in [*CODE, *DOCS, *PLAIN] if path != Path(__file__)]

LONGEST_FILE = 800
LONGEST_README = 60

FORBIDDEN = {
    r"(?<![\w.$}~])/(?:home|root|work|farm|Users)/\w": "a path of one machine; find it through an option or the environment",
    r"\b(?:TODO|FIXME|XXX)\b": "an open end is an issue, not a comment",
    r"\b[Ii]ssue #?\d|\s#\d+\b(?!\d|[0-9a-f]{2,})": "a number of a tracker says nothing to a reader; say what is meant",
    r"\bfor now\b(?! in\b)|\bin a real (?:system|venue)\b": "say what is so, and what is deliberately absent",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rust_without_words(text: str) -> str:
    """Rust source with comments and string literals blanked, line numbers kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])'"
    return re.sub(pattern, lambda found: "\n" * found.group().count("\n"), text, flags=re.DOTALL)


def lines_matching(pattern: str, text: str) -> Iterator[int]:
    for found in re.finditer(pattern, text):
        yield text.count("\n", 0, found.start()) + 1


def core_files() -> list[Path]:
    return sorted(CORE.rglob("*.rs"))


def test_there_is_something_to_look_at() -> None:
    assert core_files()
    assert len(CODE) > 10
    assert len(DOCS) > 3
    assert all(path.is_file() for path in PLAIN)


@pytest.mark.parametrize("path", CODE, ids=name)
def test_a_file_can_be_held_in_the_head(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST_FILE, f"{name(path)} has {lines} lines: split it by noun"


@pytest.mark.parametrize("path", [path for path in CODE if "tests" not in path.parts], ids=name)
def test_a_file_says_first_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".py", ".pyi"}:
        opening = ast.get_docstring(ast.parse(text)) or ""
    elif path.suffix == ".rs":
        opening = "\n".join(line[3:] for line in text.splitlines() if line.startswith("//!"))
    else:
        opening = "\n".join(line[2:] for line in text.splitlines()[1:] if line.startswith("# "))
    assert len(opening.split()) >= 5, f"{name(path)} does not open with what it is responsible for"


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_no_word_that_does_not_belong(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [
        f"{name(path)}:{line}: {reason}"
        for pattern, reason in FORBIDDEN.items()
        for line in lines_matching(pattern, text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", core_files(), ids=name)
def test_the_engine_has_no_floats(path: Path) -> None:
    text = rust_without_words(path.read_text(encoding="utf-8"))
    found = [
        *lines_matching(r"\bf(?:32|64)\b", text),
        *lines_matching(r"(?<![\w.)\]])\d[\d_]*(?:\.\d|e-?\d)", text),
    ]
    assert not found, f"{name(path)}: float at lines {found}; two machines must agree on every bit"


THREADED = CORE / "margin" / "everyone.rs"
"""The one file of the engine with threads: they read a state for a question, and end with it (decision 32)."""


@pytest.mark.parametrize("path", core_files(), ids=name)
def test_the_engine_reads_no_clock_file_or_chance(path: Path) -> None:
    text = rust_without_words(path.read_text(encoding="utf-8"))
    if path == THREADED:
        text = text.replace("std::thread", "")
    pattern = r"\bstd::(?:fs|net|env|process|time|thread|io)\b|\brand::|\bRandomState\b|\bprintln!|\bunsafe\b"
    assert not list(lines_matching(pattern, text)), (
        f"{name(path)} reaches outside; outside facts arrive as commands"
    )


@pytest.mark.parametrize("path", core_files(), ids=name)
def test_only_questions_are_answered_in_threads(path: Path) -> None:
    if path in {THREADED, CORE / "margin" / "mod.rs", CORE / "query.rs"} or CORE / "query" in path.parents:
        return
    text = rust_without_words(path.read_text(encoding="utf-8"))
    used = list(lines_matching(r"\b(?:everyone|gather|in_threads)\b", text))
    assert not used, f"{name(path)} applies commands, by one thread: lines {used}"


@pytest.mark.parametrize("path", core_files(), ids=name)
def test_the_engine_never_walks_a_hash_map(path: Path) -> None:
    text = rust_without_words(path.read_text(encoding="utf-8"))
    maps = set(re.findall(r"(\w+)\s*:\s*&?(?:mut\s+)?(?:Fx)?Hash(?:Map|Set)\b", text))
    walk = "iter|iter_mut|keys|into_keys|values|values_mut|into_values|into_iter|drain|retain"
    for field in maps:
        found = [
            *lines_matching(rf"\b{field}\s*\.\s*(?:{walk})\(", text),
            *lines_matching(rf"\bin\s+&?(?:mut\s+)?(?:\w+\.)*{field}\s*\{{", text),
        ]
        assert not found, (
            f"{name(path)}: `{field}` is walked at lines {found}; hash order is not part of the state"
        )


def test_a_core_file_uses_only_files_above_it() -> None:
    """The order of the modules in lib.rs is the layering of the engine."""
    order = re.findall(
        r"^(?:pub(?:\(crate\))? )?mod (\w+);", (CORE / "lib.rs").read_text(encoding="utf-8"), re.MULTILINE
    )
    below = {
        f"{name(path)} uses {used}"
        for path in core_files()
        if (own := path.relative_to(CORE).parts[0].removesuffix(".rs")) in order
        for used in re.findall(r"\bcrate::(\w+)", product_part(path))
        if used in order and order.index(used) > order.index(own)
    }
    assert len(order) > 5
    assert not below, "\n".join(sorted(below))


def product_part(path: Path) -> str:
    """A Rust file without words and without the unit tests at its end."""
    return rust_without_words(path.read_text(encoding="utf-8")).partition("#[cfg(test)]")[0]


def test_no_module_imports_the_public_face() -> None:
    """The face imports the modules; a module that imported it back would pass by the layers."""
    package = ROOT / "src" / "novate"
    modules = {path.name.partition(".")[0] for path in package.iterdir()}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            face = isinstance(node, ast.ImportFrom) and node.module == "novate" and not node.level
            face = face and any(alias.name not in modules for alias in node.names)
            bare = isinstance(node, ast.Import) and any(alias.name == "novate" for alias in node.names)
            imports_face = face or bare
            assert not imports_face, f"{name(path)}:{node.lineno} imports the public face"


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not dead, f"{name(path)} links to what is not there: {dead}"


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_named_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:crates|src|tests|docs|benches|scripts|examples|\.ci)/[\w./-]*)`", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, f"{page} names what is not there: {missing}"


def test_the_readme_is_one_screen_with_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert text.count("\n") <= LONGEST_README
    commands = re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
    assert commands[:2] == ["demo", "test"]
    assert set(commands) <= set(targets)


def test_every_glossary_identifier_exists() -> None:
    """The last column of the glossary names what code calls the thing."""
    rows = re.findall(
        r"^\|.*\|\s*([^|]+?)\s*\|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    identifiers = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE if "tests" not in path.parts)
    missing = sorted(word for word in identifiers if not re.search(rf"\b{word}\b", code))
    assert len(identifiers) > 10
    assert not missing, f"the glossary names {missing}, which no code does"


def test_the_changelog_has_an_open_end() -> None:
    headings = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(older != newer for newer, older in pairwise(headings))


def test_lint_exceptions_give_their_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    silent = [line for line in lines if re.match(r'\s+"[A-Z]+[0-9]*",\s*$', line)]
    assert not silent, f"ruff exceptions without a reason: {silent}"
    clippy = tomllib.loads((ROOT / "clippy.toml").read_text(encoding="utf-8"))
    assert all(row["reason"] for rows in clippy.values() for row in rows)
