"""The formats of recordings, by the suffixes of their files.

`RECORDINGS` is the one place that says what is read.
"""

from pathlib import PurePosixPath

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
    lower = file.lower()
    for suffix in sorted(RECORDINGS, key=len, reverse=True):
        if lower.endswith(suffix) and len(PurePosixPath(file).name) > len(suffix):
            return file[: -len(suffix)], suffix
    path = PurePosixPath(file)
    return path.with_suffix("").as_posix(), path.suffix.lower()


def name_of(file: str) -> str:
    """Return the name of a recording without its folder and suffix."""
    return PurePosixPath(split_suffix(file)[0]).name
