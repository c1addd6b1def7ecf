"""Every exception class of the code base stands in the tree of `shadow.errors`, and the tree names it."""

import ast
import builtins
from pathlib import Path

from shadow import errors

ROOT = Path(errors.__file__).parents[1]
BUILT_IN = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}


def classes() -> dict[str, tuple[str, list[str]]]:
    """Module and names of the base classes of every class, by its name."""
    found = {}
    for package in ("shadow", "consumers", "scoring", "dashboard"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                    found[node.name] = module, bases
    return found


def test_every_exception_class_inherits_from_shadow_error_and_is_named_in_the_tree():
    known = classes()

    def ancestors(name: str) -> set[str]:
        found, left = {name}, [name]
        while left:
            _, bases = known.get(left.pop(), ("", []))
            left += set(bases) - found
            found.update(bases)
        return found

    exceptions = {name for name in known if ancestors(name) & BUILT_IN or "ShadowError" in ancestors(name)}
    assert "ReadTimeout" in exceptions
    outside = {name for name in exceptions if "ShadowError" not in ancestors(name)}
    assert outside == set(), "let them inherit from a class of shadow.errors"
    tree = errors.__doc__ or ""
    lines = {word: line for line in tree.splitlines() for word in line.split()[:3]}
    assert exceptions - lines.keys() == set(), "name them in the tree of shadow.errors"
    elsewhere = {name: known[name][0] for name in exceptions if known[name][0] != "shadow.errors"}
    assert [name for name, module in elsewhere.items() if f"({module})" not in lines[name]] == [], "with their module"
