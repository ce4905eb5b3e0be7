"""Search spaces for hypothesis, and their meaning, computed from the definition alone."""

from typing import Any

from hypothesis import strategies as st

from blindtune.search_space import Space

WORDS = ("relu", "tanh", "adam", "sgd")


@st.composite
def dimensions(draw: st.DrawFn) -> dict[str, Any]:
    """Generate one dimension without conditions."""
    kind = draw(st.sampled_from(["int", "float", "choice", "bool"]))
    log = draw(st.booleans())
    match kind:
        case "int":
            low = draw(st.integers(1 if log else -20, 20))
            dimension = {"type": kind, "low": low, "high": low + draw(st.integers(0, 40)), "log": log}
            return dimension if log else dimension | {"step": draw(st.integers(1, 7))}
        case "float":
            low = draw(st.integers(1 if log else -200, 200)) / 100
            dimension = {"type": kind, "low": low, "high": low + draw(st.integers(0, 300)) / 100, "log": log}
            step = draw(st.none() | st.integers(1, 50))
            return dimension if log or step is None else dimension | {"step": step / 100}
        case "choice":
            values = st.one_of(
                st.lists(st.sampled_from(WORDS), min_size=1, unique=True),
                st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True),
                st.lists(st.integers(-50, 50).map(lambda v: v / 10), min_size=1, max_size=4, unique=True),
                st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
            )
            return {"type": kind, "options": draw(values)}
        case _:
            return {"type": kind}


def list_values(dimension: dict[str, Any]) -> list[Any]:
    """Return the values that a condition may name."""
    return list(Space.model_validate({"it": dimension | {"when": None, "repeat": None}}).root["it"].values() or [])


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Generate valid spaces: chains of conditions, repetition, repeated siblings; in any order of writing."""
    content: dict[str, Any] = {}
    counter = {"type": "int", "low": draw(st.integers(0, 2)), "high": draw(st.integers(2, 4))}
    if draw(st.booleans()):
        content["layers"] = counter
    for number in range(draw(st.integers(1, 4))):
        dimension = draw(dimensions())
        repeated = "layers" in content and draw(st.booleans())
        if repeated:
            dimension["repeat"] = "layers"
        parents = [
            name
            for name, above in content.items()
            if list_values(above) and (not above.get("repeat") or repeated) and name != "layers"
        ]
        if parents and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(parents), min_size=1, max_size=2, unique=True))
            dimension["when"] = {
                name: draw(st.lists(st.sampled_from(list_values(content[name])), min_size=1, max_size=3, unique=True))
                for name in chosen
            }
        content[f"d{'abcd'[number]}"] = dimension
    names = draw(st.permutations(list(content)))
    return Space.model_validate({name: content[name] for name in names})


def active_names(space: Space, values: dict[str, Any]) -> set[str]:
    """Return the names that must be set, from the definition alone (not by `HyperparameterSpec.is_active`)."""

    def is_on(name: str, copy: int | None) -> bool:
        dimension = space.root[name]
        if dimension.repeat and (copy is None or values.get(dimension.repeat, 0) < copy):
            return False
        for parent, allowed in (dimension.when or {}).items():
            above = copy if space.root[parent].repeat else None
            key = f"{parent}_{above}" if above else parent
            if not is_on(parent, above) or key not in values or values[key] not in allowed:
                return False
        return True

    names = set()
    for name, dimension in space.root.items():
        copies = range(1, values.get(dimension.repeat, 0) + 1) if dimension.repeat else [None]
        names |= {f"{name}_{copy}" if copy else name for copy in copies if is_on(name, copy)}
    return names


def is_legal(dimension: Any, value: Any) -> bool:
    """Return whether a value is within the dimension, by its bounds."""
    match dimension.type:
        case "int":
            inside = dimension.low <= value <= dimension.high
            return type(value) is int and inside and (value - dimension.low) % dimension.step == 0
        case "float":
            steps = (value - dimension.low) / dimension.step if dimension.step else 0.0
            inside = dimension.low - 1e-9 <= value <= dimension.high + 1e-9
            return type(value) is float and inside and abs(steps - round(steps)) < 1e-6
        case "choice":
            return (type(value), value) in [(type(known), known) for known in dimension.options]
        case _:
            return type(value) is bool


def dimension_of(space: Space, name: str) -> Any:
    """Return the dimension of a hyperparameter."""
    return next(spec.dimension for spec in space.hyperparameters() if spec.name == name)
