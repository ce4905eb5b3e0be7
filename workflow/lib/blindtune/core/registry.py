"""Registries: the kinds that a config can name, and where to find what makes each work.

A kind is one module and one line in its registry. Another installed package adds its kinds through entry points
of the registry's group, such as ``blindtune.tuners``; each names an `Entry` object. Nothing is imported before it is
needed: planning a workflow must stay fast.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any, Generic, TypeVar, Union, get_args

from pydantic import BaseModel, Field

from blindtune.core.errors import UserError
from blindtune.core.garbage import pause_collection


@dataclass(frozen=True)
class Entry:
    """Where to find one kind.

    Attributes:
        create: ``module:name`` of the class or function that makes what works. The import closure of this module is
            the code of the kind: a change of it voids what the kind has computed.
        config: ``module:name`` of the pydantic model of its config; None for a kind without arguments.
    """

    create: str
    config: str | None = None

    @property
    def module(self) -> str:
        """The module that makes what works."""
        return self.create.partition(":")[0]


EntryT = TypeVar("EntryT", bound=Entry)


class Registry(Generic[EntryT]):
    """The kinds of one sort, by the name that a config gives them.

    Args:
        group: of entry points through which other packages add kinds.
        noun: what a kind is called in messages.
        entry_type: the class of the entries.
        entries: the kinds of blindtune itself.
    """

    def __init__(self, group: str, noun: str, entry_type: type[EntryT], entries: Mapping[str, EntryT]) -> None:
        self.group = group
        self.noun = noun
        self.own = dict(entries)
        self._entry_type = entry_type

    @cached_property
    def entries(self) -> dict[str, EntryT]:
        """All kinds; those of other packages come after blindtune's own.

        Raises:
            UserError: another package's entry point cannot be loaded, is not an entry, or takes a name that is taken.
        """
        found = dict(self.own)
        points = _installed(tuple(sys.path)).select(group=self.group)
        for point in sorted(points, key=lambda point: (point.name, point.value)):
            where = f"entry point {point.name} = {point.value} of {self.group}"
            try:
                entry = point.load()
            except Exception as error:  # no error of another package may end in a traceback
                raise UserError(f"{where}: cannot be loaded ({error}). Fix or uninstall its package.") from error
            if not isinstance(entry, self._entry_type):
                raise UserError(f"{where}: is not a {self._entry_type.__name__}. Fix or uninstall its package.")
            if point.name in found:
                raise UserError(f"{where}: there is already a {self.noun} of this name. Rename one of the two.")
            found[point.name] = entry
        return found

    def names(self) -> list[str]:
        """Return the names of all kinds."""
        return list(self.entries)

    def __getitem__(self, name: str) -> EntryT:
        """Return the entry of a kind; raises KeyError if there is none."""
        return self.entries[name]

    def load(self, name: str) -> Any:
        """Import and return the class or function that makes a kind work.

        Raises:
            UserError: another package's entry names something that cannot be imported.
        """
        return self._import(name, self.entries[name].create)

    def config_types(self) -> list[type[BaseModel]]:
        """Return the config models of all kinds, in the order of the entries, each once.

        Raises:
            UserError: another package's entry names something that cannot be imported.
        """
        places = {name: entry.config for name, entry in self.entries.items() if entry.config is not None}
        return list(dict.fromkeys(self._import(name, place) for name, place in places.items()))

    def config_union(self, discriminator: str, *names: str) -> Any:
        """Build the type of a config key that takes any of the kinds.

        Args:
            discriminator: the key that tells them apart.
            *names: the kinds that are allowed; none: all.

        Returns:
            An annotated union for a field of a pydantic model.

        Raises:
            UserError: another package's entry names no config model with the discriminator.
        """
        chosen = [self._config(name, discriminator) for name in names or self.entries if self.entries[name].config]
        return Annotated[Union[tuple(dict.fromkeys(chosen))], Field(discriminator=discriminator)]  # noqa: UP007

    def _config(self, name: str, discriminator: str) -> Any:
        place = str(self.entries[name].config)
        config = self._import(name, place)
        fields = config.model_fields if isinstance(config, type) and issubclass(config, BaseModel) else {}
        if name not in self.own and (
            discriminator not in fields or name not in get_args(fields[discriminator].annotation)
        ):
            raise UserError(
                f"{self.noun} {name!r}: {place}: is not a pydantic model with {discriminator}: Literal[{name!r}]. "
                "Fix or uninstall its package."
            )
        return config

    def _import(self, name: str, place: str) -> Any:
        try:
            with pause_collection():
                return load_object(place)
        except Exception as error:  # an error of blindtune itself keeps its traceback
            if name in self.own:
                raise
            raise UserError(
                f"{self.noun} {name!r}: {place}: cannot be loaded ({error}). Fix or uninstall its package."
            ) from error


@cache
def _installed(path: tuple[str, ...]) -> Any:
    # Of all groups at once: each call reads a file of every package on the path. Python 3.11 returns another type than
    # later ones, which has the same method `select`.
    return entry_points()


def load_object(place: str) -> Any:
    """Import what ``module:name`` names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
