"""Every tuner of an optional engine, killed and started again, ends with the same records."""

import pytest

from blindtune.tuners.engines import ENGINES
from support.engines import marks_of
from support.kill_studies import PROMOTING, STUDIES, check_points, check_random, drive

pytestmark = pytest.mark.integration

LIBRARIES = [pytest.param(library, marks=marks_of(library), id=library) for library in ENGINES]


@pytest.mark.parametrize("library", LIBRARIES)
def test_kills_change_nothing(library, tmp_path):
    """Kills at random moments change nothing, nor does a kill between any two writes of a promotion."""
    killed = drive("kill_tuner_studies.py", tmp_path, library)
    assert set(killed) == set(STUDIES[library])
    for name, found in killed.items():
        check_random(found, name)
        if (library, name) in PROMOTING:
            check_points(found)
            assert any(outcome["trained_before"] for outcome in found["undisturbed"]["outcomes"])
