"""A part of all attacks, always the same: each must survive; `run.py` plays all of them."""

from pathlib import Path
from unittest.mock import patch

import pytest

from adversarial.attack import Attack, Outcome, Theatre, sample
from adversarial.bench import QUICK, Bench, decode_and_report, decoded, frozen, quick_decoded, quick_frozen, report_of
from adversarial.edits import change_json
from adversarial.families import FAMILIES
from blindtune.report import records

#: Number of attacks that are played of each family.
SAMPLES = {
    "models": 12,
    "data": 30,
    "leaks": 30,
    "ledger": 36,
    "records": 24,
    "second looks": 16,
    "races": 2,
    "spaces": 12,
    "damage": 24,
}

#: The attacks that are known to be lost, by the start of their name, and why. They are in no tally as survived.
LOST: dict[str, str] = {}

CHOSEN = [
    pytest.param(
        family.name,
        attack,
        id=f"{family.name}: {attack.id}",
        marks=[
            pytest.mark.xfail(reason=why, strict=True)
            for start, why in LOST.items()
            if f"{family.name}: {attack.id}".startswith(start)
        ],
    )
    for family in FAMILIES
    for attack in sample(family.attacks, SAMPLES[family.name], "1")
]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Theatre:
    """Plays all attacks of this module."""
    return Theatre(tmp_path_factory.mktemp("theatre"))


@pytest.mark.parametrize(("family", "attack"), CHOSEN)
def test_attack_survives(theatre: Theatre, family: str, attack: Attack) -> None:
    """The attack is refused, changes nothing, or is shown."""
    outcome = theatre.play(attack)
    assert outcome.survived, outcome.why


def nothing(scene: Path) -> None:
    """Attack nothing."""


@pytest.mark.parametrize(
    ("template", "judge"),
    [
        (frozen, decode_and_report()),
        (decoded, report_of()),
        (quick_frozen, decode_and_report(*QUICK)),
        (quick_decoded, report_of(*QUICK)),
    ],
)
def test_scene_without_attack_is_honest(theatre: Theatre, template, judge) -> None:
    """Without an attack nothing is refused and the report says what it said: no attack survives by a broken scene."""
    assert theatre.play(Attack("nothing", template, nothing, judge)) == Outcome("honest")


def test_weakened_library_loses(theatre: Theatre) -> None:
    """If the report believed a result as it is written, an edited one would be counted as lost."""

    def edit(scene: Path) -> None:
        change_json(
            Bench(scene).decode_folder("knn") / "result.json", lambda content: content | {"error": 0.0, "wrong": 0}
        )

    attack = Attack("an error of zero", quick_decoded, edit, report_of(*QUICK))
    assert theatre.play(attack).verdict == "refused"
    with (
        patch.object(records, "check_result", lambda result, *others: result),
        patch.object(records.LedgerReader, "check", lambda *arguments: True),
    ):
        assert theatre.play(attack).verdict == "lost"


def test_tally_has_at_least_a_thousand_attacks() -> None:
    """Each family has attacks of several kinds, and there are more than a thousand in all."""
    assert sum(len(family.attacks) for family in FAMILIES) >= 1000
    assert {family.name for family in FAMILIES} == SAMPLES.keys()
