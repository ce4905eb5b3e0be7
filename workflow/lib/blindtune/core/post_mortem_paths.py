"""Where the post-mortems of a config are.

They are not in `blindtune.core.paths`, since the identity of every model depends on the code of that module.
"""

from blindtune.core.paths import ResultPaths

#: The folder of the post-mortems, below ``results/<config name>``.
FOLDER = "post_mortems"

#: The name of the file of each.
FILE = "post_mortem.json"


def post_mortem_file(paths: ResultPaths, dataset: str, system: str, seed: int | str) -> str:
    """Return the file of the post-mortem of a search. Arguments may be wildcards in braces.

    Args:
        paths: of the results of the config.
        dataset: its name.
        system: its name.
        seed: of the study.
    """
    return f"{paths.root}/{FOLDER}/{dataset}/{system}/{seed}/{FILE}"
