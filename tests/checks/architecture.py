"""Check how the library's modules depend on each other and that names in documents exist.

    python tests/checks/architecture.py

Checked are, from the source alone:

- circles: no module imports itself through others. Imports inside functions count, those of types alone
  (``if TYPE_CHECKING:``) do not;
- layers: what `LAYERS` forbids is not imported, neither directly nor through other modules;
- classes: no two public classes of the library have the same name;
- documents: every module of the library, and every Python or Snakemake file, that a text names exists.

Each fault is one line; the exit status is 1 if there is one.
"""

import ast
import re
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Layer:
    """What modules must not reach by their imports. A name of a package includes all that is below it.

    Attributes:
        modules: The modules of the layer.
        forbidden: What they must not import; "blindtune" with `allowed` means all of the library but those.
        reason: Why.
        exceptions: Modules of the layer that may.
        allowed: Modules below `forbidden` that they may import.
    """

    modules: tuple[str, ...]
    forbidden: str
    reason: str
    exceptions: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def forbids(self, name: str) -> bool:
        """Return whether the layer must not import the module ``name``."""
        # The library's own package is empty, and is imported with each of its modules.
        return name != "blindtune" and _is_below(name, (self.forbidden,)) and not _is_below(name, self.allowed)


LAYERS = [
    Layer(("blindtune.core",), "blindtune", "core is the lowest layer", allowed=("blindtune.core",)),
    Layer(("blindtune",), "snakemake", "the library runs without Snakemake"),
    Layer(("blindtune.records",), "blindtune.training", "records are read without what trains"),
    Layer(
        ("blindtune.datasets.eeg",),
        "blindtune.datasets.eeg.simulated",
        "an edit of the simulator must not void real recordings",
        exceptions=("blindtune.datasets.eeg.simulated",),
    ),
    Layer(
        ("blindtune.datasets.slides",),
        "blindtune.datasets.slides.simulated",
        "an edit of the simulator must not void real slides",
        exceptions=("blindtune.datasets.slides.simulated",),
    ),
]

#: Names of public classes that two modules may share, each with the reason.
SHARED_CLASS_NAMES: dict[str, str] = {}

_DOTTED = re.compile(r"(?<![\w./-])blindtune(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?")
_PATH = re.compile(r"(?<![\w./{}*<>-])((?:[\w.-]+/)+[\w.-]+\.(?:py|smk))(?![\w*])")
_FILE = re.compile(r"`([\w-]+\.(?:py|smk))`")
#: The first line of a block of code that a document tells its reader to write into a file.
_WRITTEN = re.compile(r"^```\w+\n# (\S+/\S+\.py)$", re.MULTILINE)


@dataclass
class Module:
    """What a module of the library defines and imports.

    Attributes:
        path: Its file.
        tree: Its syntax tree.
        imports: Every name that it imports when it or one of its functions runs, with the line.
    """

    path: Path
    tree: ast.Module
    imports: dict[str, int] = field(default_factory=dict)


def main() -> int:
    """Print the faults of the repository that holds this file; return the exit status."""
    root = Path(__file__).parents[2]
    found = list(faults(root))
    for fault in found:
        print(fault)
    return 1 if found else 0


def faults(root: Path) -> Iterator[str]:
    """Yield one line for each fault of the repository at ``root``."""
    modules = read_modules(root / "workflow/lib")
    graph = import_graph(modules)
    yield from circles(graph)
    yield from broken_layers(modules, graph)
    yield from shared_class_names(modules)
    yield from unknown_names(root, modules)


def read_modules(library: Path) -> dict[str, Module]:
    """Return every module below the folder ``library``, by its dotted name; a package has its own name."""
    modules = {}
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(path, ast.parse(path.read_text(), str(path)))
    for name, module in modules.items():
        package = name if module.path.name == "__init__.py" else name.rpartition(".")[0]
        module.imports = dict(_imported(module.tree, package, modules.keys()))
    return modules


def import_graph(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """Return the modules of the library that each module imports.

    Importing ``a.b`` runs ``a`` as well: the packages around a module count, but for those that hold the importer.
    """
    return {
        name: {
            package
            for imported in module.imports
            for package in _with_packages(imported)
            if package in modules and package != name and not name.startswith(f"{package}.")
        }
        for name, module in modules.items()
    }


def circles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield a shortest circle for each group of modules that import each other.

    Args:
        graph: What the modules import of each other, as `import_graph` returns it.
    """
    reported: set[str] = set()
    for name in sorted(graph):
        chain = None if name in reported else _chain(graph, name, name.__eq__)
        if chain:
            reported |= {other for other in _reached(graph, name) if name in _reached(graph, other)}
            yield f"circle: {' -> '.join(chain)}"


def broken_layers(modules: Mapping[str, Module], graph: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield each module that imports what its layer must not, with the shortest chain of imports that leads there.

    Args:
        modules: The modules of the library.
        graph: What they import of each other, as `import_graph` returns it.
    """
    for layer in LAYERS:
        for name in sorted(graph):
            if not _is_below(name, layer.modules) or _is_below(name, layer.exceptions):
                continue
            # Other libraries are not followed: only what is imported directly counts.
            external = [other for other in modules[name].imports if other not in modules and layer.forbids(other)]
            chain = [name, external[0]] if external else _chain(graph, name, layer.forbids)
            if chain:
                yield f"layer: {' -> '.join(chain)} ({layer.reason})"


def shared_class_names(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield each name that two public classes share."""
    places = defaultdict(list)
    for name, module in modules.items():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    for class_name, names in sorted(places.items()):
        if len(names) > 1 and class_name not in SHARED_CLASS_NAMES:
            yield f"class: {class_name} is defined in {' and in '.join(names)}"


def unknown_names(root: Path, modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield each module or file that a document or a source file names and that does not exist.

    Args:
        root: The repository.
        modules: The modules of the library.
    """
    below = [root, root / "workflow", root / "workflow/lib", root / "workflow/lib/blindtune", root / "tests"]
    groups = {group for module in modules.values() for group in _entry_point_groups(module.tree)}
    file_names = {path.name for folder in ("workflow", "tests", "envs") for path in (root / folder).rglob("*.*")}
    for path in _texts(root):
        in_code = False
        text = path.read_text()
        files, written = _written(text) if path.suffix == ".md" else (set[str](), set[str]())
        for number, line in enumerate(text.splitlines(), 1):
            in_code ^= path.suffix == ".md" and line.startswith("```")
            # Code of a document may define modules of the reader; what it imports must exist.
            if in_code and "import" not in line:
                continue
            where = f"document: {path.relative_to(root)}:{number}"
            for name in _DOTTED.findall(line):
                if name not in groups | written and not _is_known(name.replace(":", "."), modules):
                    yield f"{where}: {name} does not exist"
            # Tests make files of their own.
            if path.suffix in (".md", ".yaml") or path.name in ("Makefile", "pyproject.toml"):
                for name in [*_PATH.findall(line), *(_FILE.findall(line) if path.suffix == ".md" else [])]:
                    folders = [] if name in files | file_names else [path.parent, *below]
                    if folders and not any((folder / name).exists() for folder in folders):
                        yield f"{where}: {name} does not exist"


def _written(text: str) -> tuple[set[str], set[str]]:
    """Return the files that a document tells its reader to write, with those of their packages, and their modules."""
    files = set(_WRITTEN.findall(text))
    own = [name.partition("workflow/lib/")[2] for name in files if name.startswith("workflow/lib/")]
    return files | {f"{name.rpartition('/')[0]}/__init__.py" for name in files}, {
        name.removesuffix(".py").replace("/", ".") for name in own
    }


def _imported(tree: ast.Module, package: str, modules: Iterable[str]) -> Iterator[tuple[str, int]]:
    known = set(modules)
    for node in _run(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield (name if name in known else base), node.lineno
        elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value, node.lineno


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that is run, thus not what is below ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for alternative in child.orelse:
                yield alternative
                yield from _run(alternative)
        else:
            yield child
            yield from _run(child)


def _called(call: ast.Call) -> str:
    """Return the name by which a call calls its function, without what is before the last dot."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _with_packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _is_below(name: str, tops: Iterable[str]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def _chain(graph: Mapping[str, set[str]], start: str, ends: Callable[[str], bool]) -> list[str] | None:
    """Return a shortest chain of imports from ``start`` to a module for which ``ends`` is true."""
    chains = deque([[start]])
    visited: set[str] = set()
    while chains:
        chain = chains.popleft()
        for name in sorted(graph[chain[-1]] - visited):
            if ends(name):
                return [*chain, name]
            visited.add(name)
            chains.append([*chain, name])
    return None


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def _texts(root: Path) -> list[Path]:
    patterns = [
        "*.md",
        ".github/**/*.md",
        "Makefile",
        "pyproject.toml",
        "config.yaml",
        "docs/**/*.md",
        "envs/*.py",
        "workflow/**/*.py",
        "workflow/**/*.smk",
        "workflow/**/*.yaml",
        "tests/**/*.py",
    ]
    return sorted({path for pattern in patterns for path in root.glob(pattern) if "checks" not in path.parts})


def _is_known(name: str, modules: Mapping[str, Module]) -> bool:
    """Return whether a dotted name is a module, or one of the names that a module defines."""
    for module in _with_packages(name):
        if module in modules:
            rest = name[len(module) + 1 :].split(".")
            return rest == [""] or rest[0].startswith("__") or rest[0] in _defined(modules[module].tree)
    return False


def _entry_point_groups(tree: ast.Module) -> Iterator[str]:
    """Yield the groups of entry points that registries of a module read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "Registry" and node.args:
            yield str(ast.literal_eval(node.args[0]))


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


if __name__ == "__main__":
    sys.exit(main())
