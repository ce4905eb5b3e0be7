"""The formats of recordings, by the suffixes of their files.

`RECORDINGS` is the one place that says what is read.
"""

#: Suffixes of recordings that are read, in lower case.
RECORDINGS = (".edf", ".bdf", ".edf.gz", ".bdf.gz")
#: Suffixes of other formats, and their names: the files are listed as ignored.
OTHERS = {
    ".cnt": "Neuroscan",
    ".e": "Nicolet",
    ".eeg": "BrainVision",
    ".fdt": "EEGLAB",
    ".fif": "MNE",
    ".gdf": "GDF",
    ".lay": "Persyst",
    ".mat": "MATLAB",
    ".nwb": "NWB",
    ".set": "EEGLAB",
    ".trc": "Micromed",
    ".vhdr": "BrainVision",
    ".vmrk": "BrainVision",
}


def split_suffix(file: str) -> tuple[str, str]:
    """Return a path without the suffix of its format, and the suffix in lower case; it may have two dots.

    Args:
        file: path with slashes.
    """
    lower, name = file.lower(), file.rpartition("/")[2]
    for suffix in sorted(RECORDINGS, key=len, reverse=True):
        if lower.endswith(suffix) and len(name) > len(suffix):
            return file[: -len(suffix)], suffix
    # Not by pathlib: names that annotations mention may be anything.
    stem, _, ending = name.rpartition(".")
    return (file[: -len(ending) - 1], f".{ending.lower()}") if stem else (file, "")


def name_of(file: str) -> str:
    """Return the name of a recording without its folder and suffix."""
    return split_suffix(file)[0].rpartition("/")[2]
