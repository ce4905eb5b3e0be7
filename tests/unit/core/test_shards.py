"""The names of shards, and which trials each has."""

import pytest

from blindtune.core.errors import UserError
from blindtune.core.shards import Shard


@pytest.mark.parametrize("shard", [Shard(1, 4), Shard(3, 3, 2), Shard(10_000, 10_000, 99)])
def test_name_of_a_shard_is_read_back(shard: Shard) -> None:
    """A name tells which part of which rung it is."""
    assert Shard.parse(shard.name) == shard


def test_shard_is_named() -> None:
    """A file name has no letter that Snakemake expands."""
    assert (Shard(1, 4).name, str(Shard(1, 4))) == ("1-of-4", "shard 1 of 4")
    assert (Shard(1, 4, 2).name, str(Shard(1, 4, 2))) == ("rung2-1-of-4", "shard 1 of 4 of rung 2")


@pytest.mark.parametrize("name", ["", "1", "1-of-", "rung-1-of-2", "rung1-1-of-2-", "1-of-2\n", "٣-of-4", "a1-of-2"])
def test_parse_refuses_other_names(name: str) -> None:
    """What is not a shard is named."""
    with pytest.raises(UserError, match="is not the name of a shard"):
        Shard.parse(name)


@pytest.mark.parametrize("name", ["0-of-2", "3-of-2", "1-of-10001", "rung0-1-of-2"])
def test_shard_that_there_is_not_is_refused(name: str) -> None:
    """A number beyond the last one is refused."""
    with pytest.raises(UserError, match="there is no shard"):
        Shard.parse(name)


def test_shards_of_a_rung_have_each_trial_once() -> None:
    """Every trial of the rung belongs to one shard, and those of others to none."""
    trials = (3, 4, 9, 11, 20)
    shards = [Shard(number, 2, 1, trials) for number in (1, 2)]
    assert [shards[0].trial_number(position) for position in range(3)] == [3, 9, 20]
    assert [shards[1].trial_number(position) for position in range(2)] == [4, 11]
    assert [shards[0].position(trial) for trial in (3, 9, 20, 4, 5, 0, 99)] == [0, 1, 2, None, None, None, None]
