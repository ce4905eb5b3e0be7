"""Search spaces for hypothesis, and their meaning, computed from the definition alone."""

from typing import Any

from hypothesis import strategies as st

from blindtune.search_space import Space

WORDS = ("relu", "tanh", "adam", "sgd")


@st.composite
def dimensions(draw: st.DrawFn) -> dict[str, Any]:
    """Generate one dimension without conditions."""
    kind = draw(st.sampled_from(["int", "float", "choice", "bool", "fixed"]))
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
        case "fixed":
            return {"type": kind, "value": draw(st.sampled_from(["relu", 3, -1, 0.25, 2.0, True, False]))}
        case _:
            return {"type": kind}


def list_values(dimension: dict[str, Any]) -> list[Any]:
    """Return the values that a condition may name: of a dimension with a list of bounds those that all copies have."""
    bounds = [bound if isinstance(bound, list) else [bound] for bound in (dimension.get("low"), dimension.get("high"))]
    count = max(map(len, bounds))
    copies = zip(*(bound * count if len(bound) < count else bound for bound in bounds), strict=True)
    plain = {key: value for key, value in dimension.items() if key not in ("when", "repeat", "low", "high")}
    ends = [{"low": low, "high": high} if low is not None else {} for low, high in copies]
    lists = [list(Space.model_validate({"it": plain | end}).root["it"].values() or []) for end in ends]
    return [value for value in lists[0] if all(value in others for others in lists)]


def give_each_copy_bounds(draw: st.DrawFn, dimension: dict[str, Any], copies: int) -> None:
    """Replace one bound or both by a list, with one bound for each copy."""
    unit = 1 if dimension["type"] == "int" else 0.5
    low, high = dimension["low"], dimension["high"]
    raised = [unit * draw(st.integers(0, 8)) for _ in range(copies)]
    match draw(st.sampled_from(["low", "high", "both"])):
        case "low":
            dimension["low"] = [min(low + more, high) for more in raised]
        case "high":
            dimension["high"] = [high + more for more in raised]
        case _:
            dimension |= {"low": [low + more for more in raised], "high": [high + more for more in raised]}


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Generate valid spaces: chains of conditions, repetition, repeated siblings; in any order of writing."""
    content: dict[str, Any] = {}
    most = draw(st.integers(2, 4))
    counter: dict[str, Any] = {"type": "int", "low": draw(st.integers(0, 2)), "high": most}
    if draw(st.booleans()):
        content["layers"] = draw(st.sampled_from([counter, {"type": "fixed", "value": most}]))
    for number in range(draw(st.integers(1, 4))):
        dimension = draw(dimensions())
        repeated = "layers" in content and draw(st.booleans())
        if repeated:
            dimension["repeat"] = "layers"
            if "low" in dimension and draw(st.booleans()):
                give_each_copy_bounds(draw, dimension, most)
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
        case "fixed":
            return (type(value), value) == (type(dimension.value), dimension.value)
        case _:
            return type(value) is bool


def dimension_of(space: Space, name: str) -> Any:
    """Return the dimension of a hyperparameter."""
    return next(spec.dimension for spec in space.hyperparameters() if spec.name == name)
