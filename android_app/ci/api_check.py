"""Are the stubs what Android publishes? Each class, method, constant and base of ci/stubs/android against the API list.

The list is the Python package chaquopy-stubs-android: every public class of one API level as type stubs. Argument types
are exact in it, return types are folded (int stands for int and long), a constant has no value. What javac accepts
against the stubs is then what it would accept against Android's own jar.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from android_app.ci import tools
from harness.process import Bounds, execute

_FLAGS = r"(?P<flags>(?:(?:public|protected|static|final|abstract|native|synchronized) )*)"
_DECLARATION = re.compile(_FLAGS + r"(?P<type>[\w.$<>?,\[\] ]+? )?(?P<name>[\w.$]+)\((?P<args>.*)\)")
_FIELD = re.compile(_FLAGS + r"(?P<type>[\w.$\[\]]+) (?P<name>\w+);")
_CLASS = re.compile(r"(?:class|interface) (?P<name>[\w.$]+)(?: extends (?P<base>[\w.$<>?, ]+?))?(?: implements .*)? \{")
_FOLDED = {"int": "int", "long": "int", "boolean": "bool", "float": "float", "double": "float", "void": "None"}


class Member(NamedTuple):
    """A method or field of a class. arguments: None for a field."""

    owner: str
    name: str
    type: str
    static: bool
    arguments: tuple[str, ...] | None

    @property
    def spelled(self) -> str:
        brackets = "" if self.arguments is None else f"({', '.join(self.arguments)})"
        return f"{'static ' if self.static else ''}{self.type} {self.owner}.{self.name}{brackets}"


def wrong(stubs: Path, log: Path) -> list[str]:
    """What of the compiled stubs Android does not publish, in words; empty when all is well."""
    names = sorted(str(path.relative_to(stubs)) for path in (stubs / "android").rglob("*.class"))
    log.unlink(missing_ok=True)
    argv = [tools.program("javap"), "-protected", *(str(stubs / name) for name in names)]
    execute(argv, bounds=Bounds(timeout_secs=120), log=log)
    found = []
    for owner, base, members in _classes(log.read_text()):
        if _published(owner) is None:
            found.append(f"there is no class {owner}")
            continue
        if base and base not in _ancestors(owner):
            found.append(f"{owner} does not extend {base}")
        found += [f"there is no {member.spelled}" for member in members if not _is_published(member)]
    return found


def _classes(text: str) -> Iterator[tuple[str, str, list[Member]]]:
    """(name, base, members) of each class that javap printed."""
    owner, base, members = "", "", list[Member]()
    for line in text.splitlines():
        if heading := _CLASS.search(line):
            owner, base, members = heading["name"], heading["base"] or "", []
            base = "" if base.startswith("java.lang.") else base
        elif line.strip() == "}":
            yield owner, base, members
        elif member := _member(owner, line.partition(" throws ")[0].strip().rstrip(";")):
            members.append(member)


def _member(owner: str, line: str) -> Member | None:
    if declared := _DECLARATION.fullmatch(line):
        arguments = tuple(one for one in declared["args"].replace(" ", "").split(",") if one)
        name = "__init__" if declared["name"] == owner else declared["name"]
        return Member(owner, name, (declared["type"] or "void").strip(), "static " in declared["flags"], arguments)
    if declared := _FIELD.fullmatch(f"{line};"):
        return Member(owner, declared["name"], declared["type"], "static " in declared["flags"], None)
    return None


def _is_published(member: Member) -> bool:
    if member.name == "__init__" and not member.arguments:
        return True  # a class without a constructor of its own has this one
    owners = [member.owner] if member.name == "__init__" else [member.owner, *_ancestors(member.owner)]
    return any(_declares(owner, member) for owner in owners)


def _declares(owner: str, member: Member) -> bool:
    node = _published(owner)
    for one in node.body if node else ():
        if isinstance(one, ast.FunctionDef) and one.name == member.name and member.arguments is not None:
            if _same(one, member):
                return True
        elif isinstance(one, ast.AnnAssign) and ast.unparse(one.target) == member.name and member.arguments is None:
            said = ast.unparse(one.annotation)
            inside = re.fullmatch(r"typing\.ClassVar\[(.*)\]", said)
            static = inside is not None
            return static == member.static and _is_type(member.type, inside[1] if inside else said, folded=True)
    return False


def _same(node: ast.FunctionDef, member: Member) -> bool:
    static = any(ast.unparse(one) == "staticmethod" for one in node.decorator_list)
    arguments = [*node.args.posonlyargs, *node.args.args][0 if static else 1 :]
    if static != member.static or len(arguments) != len(member.arguments or ()) or node.returns is None:
        return False
    fits = (
        argument.annotation is not None and _is_type(wanted, ast.unparse(argument.annotation), folded=False)
        for argument, wanted in zip(arguments, member.arguments or (), strict=True)
    )
    return all(fits) and _is_type(member.type, ast.unparse(node.returns), folded=True)


def _is_type(java: str, said: str, *, folded: bool) -> bool:
    """Whether a Java type is one of the alternatives that the list says."""
    java = re.sub(r"<.*>", "", java)
    if java.endswith("[]"):
        inside = re.search(r"JavaArray\[(.*)\]", said)
        return inside is not None and _is_type(java[:-2], inside[1], folded=folded)
    words = {word.strip() for word in re.sub(r"\[.*", "", said).split("|")}
    if java in _FOLDED:
        return (_FOLDED[java] if folded or java == "void" else f"java.j{java}") in words
    if java == "java.lang.String":
        return bool({"str", "java.lang.String"} & words)
    if java == "java.lang.Class":
        return "typing.Type" in words
    return _last(java) in {_last(word) for word in words}


def _last(name: str) -> str:
    return re.split(r"[.$]", name)[-1]


def _ancestors(owner: str) -> set[str]:
    """Full names of all bases, nearest first or not."""
    node, found = _published(owner), set[str]()
    for base in node.bases if node else ():
        name = ast.unparse(base).partition("[")[0]
        full = name if name.startswith(("android.", "java.")) else f"{_package(owner)}.{name}"
        found |= {full, *(_ancestors(full) if full.startswith("android.") else ())}
    return found


def _package(owner: str) -> str:
    return ".".join(part for part in owner.split(".") if part[0].islower())


@cache
def _published(owner: str) -> ast.ClassDef | None:
    """The class as the list has it; android.os.Build$VERSION and android.os.Build.VERSION are one."""
    package = _package(owner)
    body: list[ast.stmt] = _module(package)
    found = None
    for name in re.split(r"[.$]", owner.removeprefix(f"{package}.")):
        found = next((one for one in body if isinstance(one, ast.ClassDef) and one.name == name), None)
        body = found.body if found else []
    return found


@cache
def _module(package: str) -> list[ast.stmt]:
    first, _, rest = package.partition(".")
    name = "/".join([f"{first}-stubs", *rest.split("."), "__init__.pyi"])
    path = importlib.metadata.distribution("chaquopy-stubs-android").locate_file(name)
    text = Path(str(path))
    return ast.parse(text.read_text(encoding="utf-8")).body if text.is_file() else []
