"""The formats of recordings, by the suffixes of their files.

`RECORDINGS` is the one place that says what is read.
"""

from pathlib import PurePosixPath

#: Suffixes of recordings that are read, in lower case.
RECORDINGS = (".edf",)
#: Suffixes of recordings that are known and not read: each is a bad file.
UNREAD = {
    ".bdf": "is a BDF recording, which is not read; save it as EDF",
    ".edf.gz": "is a compressed recording, which is not read; unpack it",
    ".bdf.gz": "is a compressed BDF recording, which is not read; unpack it and save it as EDF",
}
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
    for suffix in sorted({*RECORDINGS, *UNREAD}, key=len, reverse=True):
        if lower.endswith(suffix) and len(PurePosixPath(file).name) > len(suffix):
            return file[: -len(suffix)], suffix
    path = PurePosixPath(file)
    return path.with_suffix("").as_posix(), path.suffix.lower()


def name_of(file: str) -> str:
    """Return the name of a recording without its folder and suffix."""
    return PurePosixPath(split_suffix(file)[0]).name
