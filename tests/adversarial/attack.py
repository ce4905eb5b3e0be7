"""What an attack is, how it is played, and how its end is judged.

An adversary can write to data, configs, records and the ledger, and wants a wrong number marked as blind, two decodes
counted as one, or a record that is lost, doubled or changed without a word. An attack survives if blindtune refuses it
with one `UserError`, if the honest numbers come out all the same, or if the report shows what happened. It is lost if
anything else happens, a traceback included.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from blindtune.core.errors import UserError

#: How an attack ends: refused, without effect, shown in the report, or lost.
Verdict = Literal["refused", "honest", "shown", "lost"]


@dataclass(frozen=True)
class Outcome:
    """The end of one attack.

    Attributes:
        verdict: how it ended.
        why: the message of the error, what the report shows, or what was wrong.
    """

    verdict: Verdict
    why: str = ""

    @property
    def survived(self) -> bool:
        """Whether no reader is deceived."""
        return self.verdict != "lost"


@dataclass(frozen=True)
class Attack:
    """One attack, played in a folder of its own.

    Attributes:
        id: names it within its family; the same at every run.
        template: fills the folder in which it begins; equal templates are built once and copied. None: an empty one.
        edit: what the adversary does.
        judge: what is done afterwards by honest people, and what became of the numbers.
    """

    id: str
    template: Callable[[Path], None] | None
    edit: Callable[[Path], None]
    judge: Callable[[Path], Outcome]


@dataclass(frozen=True)
class KnownLimit:
    """What an adversary can do without being seen, and why that is not mended."""

    what: str
    why: str


@dataclass(frozen=True)
class Family:
    """Attacks of one kind.

    Attributes:
        name: short.
        title: what is attacked, for the table.
        attacks: all of them.
        limits: what is not counted as survived.
        whole: whether all attacks run in the tests, not a part: they are few and each is of its own kind.
    """

    name: str
    title: str
    attacks: list[Attack]
    limits: list[KnownLimit] = field(default_factory=list)
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse two attacks of one name, of which a tally would count one twice."""
        ids = [attack.id for attack in self.attacks]
        doubled = {name for name in ids if ids.count(name) > 1} if len(set(ids)) < len(ids) else set()
        if doubled:
            raise ValueError(f"{self.name}: two attacks are called {', '.join(sorted(doubled))}")


class Theatre:
    """Plays attacks: builds each template once and copies it for every attack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[Callable[[Path], None], Path] = {}

    def play(self, attack: Attack) -> Outcome:
        """Return how an attack ends.

        Only what happens after the edit is judged: an error while the scene is set is an error of the test.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            scene = Path(place) / "scene"
            self._set(attack.template, scene)
            attack.edit(scene)
            return judge(attack.judge, scene)

    def _set(self, template: Callable[[Path], None] | None, scene: Path) -> None:
        if template is None:
            scene.mkdir()
            return
        if template not in self._templates:
            built = self._folder / f"template-{len(self._templates)}"
            built.mkdir()
            template(built)
            self._templates[template] = built
        shutil.copytree(self._templates[template], scene, copy_function=shutil.copy)


def judge(function: Callable[[Path], Outcome], scene: Path) -> Outcome:
    """Return the outcome of a judge; an error that a user can fix is a refusal, any other is lost."""
    try:
        return function(scene)
    except UserError as error:
        message = str(error)
        return Outcome("lost", f"a refusal without words: {error!r}") if not message else Outcome("refused", message)
    except Exception as error:  # what must not happen is counted, and the others go on
        return Outcome("lost", f"{type(error).__name__}: {error}")


def sample(attacks: Iterable[Attack], count: int, seed: str) -> list[Attack]:
    """Return ``count`` attacks, always the same ones: a part of those of each kind (the id up to the first slash)."""
    kinds: dict[str, list[Attack]] = {}
    for attack in attacks:
        kinds.setdefault(attack.id.partition("/")[0], []).append(attack)
    for name, found in kinds.items():
        random.Random(f"{seed}/{name}").shuffle(found)  # noqa: S311  a fixed choice
    chosen: list[Attack] = []
    while len(chosen) < count and any(kinds.values()):
        for found in kinds.values():
            if found and len(chosen) < count:
                chosen.append(found.pop())
    return chosen
