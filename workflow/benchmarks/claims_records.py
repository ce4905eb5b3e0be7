"""Pack the records that docs/measured/claims.md was made from, or unpack them, so that anyone can make its tables.

    python workflow/benchmarks/claims_records.py pack results docs/measured/records
    python workflow/benchmarks/claims_records.py unpack docs/measured/records results

`pack` writes one archive for each study and seed of which every system has been decoded, one of the post-mortems, which
come later, and one of the readings. The archives hold trials, cards, protocols, results and predictions, no weights.
Predictions of more than 200 kB are left out, each with a line: the hashes in ``result.json`` tell whether a run of the
study has given the same. The same records give the same archive. An archive that is there keeps the records that the
results lack, so that parts of the records can be packed one after the other; if one of both differs, nothing is written
and all such are named, unless ``--replace`` is given.
"""

import argparse
import io
import lzma
import tarfile
from pathlib import Path

#: Files of a study and of a decode that the tables use, or that say how they came about.
_OF_A_STUDY = ("trials.jsonl", "card.json", "protocol.json")
_OF_A_DECODE = ("result.json", "predictions.npz")

#: Bytes of the largest predictions that are packed: those of #09, with 250,000 samples, would take 17 MB in all.
_MAX_PREDICTIONS = 200_000


def pack(results: Path, archives: Path, *, replace: bool = False) -> list[Path]:
    """Write the archives.

    Args:
        results: the folder with what claims.yaml and claims_drawn.yaml wrote, and perhaps a folder ``readings``.
        archives: folder to write to.
        replace: whether records replace those of an archive that differ.

    Returns:
        The archives, sorted.

    Raises:
        SystemExit: a record differs from the one in its archive.
    """
    archives.mkdir(parents=True, exist_ok=True)
    members: dict[str, list[Path]] = {}
    for study in sorted(results.glob("claims*/studies/*")):
        seeds: dict[str, list[Path]] = {}
        for card in sorted(study.glob("*/*/card.json")):
            if not card.parent.name.isdecimal():
                continue  # a later study has replaced it
            seeds.setdefault(card.parent.name, []).append(card)
        systems = {card.parents[1].name for cards in seeds.values() for card in cards}
        for seed, cards in seeds.items():
            folders = [(card.parent, _place_of(card, "decodes")) for card in cards]
            done = {decode.parent.name for _, decode in folders if (decode / "result.json").exists()}
            if done != systems:
                continue
            files = [folder / name for folder, _ in folders for name in _OF_A_STUDY]
            files += [decode / name for _, decode in folders for name in _OF_A_DECODE]
            members[f"{study.parents[1].name}_{study.name}_{seed}"] = files
    members["post_mortems"] = sorted(results.glob("claims*/post_mortems/*/*/*/post_mortem.json"))
    members["readings"] = sorted((results / "readings").glob("*.json*"))
    contents: dict[Path, dict[str, bytes]] = {}
    differing = []
    for name, files in members.items():
        there = [path for path in files if path.exists()]
        large = [path for path in there if path.name == "predictions.npz" and path.stat().st_size > _MAX_PREDICTIONS]
        for path in large:
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB of predictions, left out")
            there.remove(path)
        if not there:
            continue
        archive = archives / f"{name}.tar.xz"
        found = {path.relative_to(results).as_posix(): path.read_bytes() for path in there}
        known = _read(archive) if archive.exists() else {}
        differing += [f"{archive}: {one}" for one, content in found.items() if known.get(one, content) != content]
        contents[archive] = known | found
    if differing and not replace:
        listed = "\n  ".join(differing)
        raise SystemExit(
            f"These records differ from those that are packed:\n  {listed}\nNothing was written. Pack into another "
            "folder, or replace them with --replace."
        )
    for archive, packed in contents.items():
        _write(archive, packed)
    return sorted(contents)


def unpack(archives: Path, results: Path) -> None:
    """Write the records of all archives below a folder.

    Args:
        archives: folder of the archives.
        results: folder to write to. Files that are there already are kept if they are equal.

    Raises:
        SystemExit: a file is there with another content.
    """
    for archive in sorted(archives.glob("*.tar.xz")):
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                path = results / member.name
                if path.exists():
                    source = tar.extractfile(member)
                    if source is not None and source.read() != path.read_bytes():
                        raise SystemExit(f"{path} differs from the one in {archive}; unpack into another folder")
                else:
                    tar.extract(member, results, filter="data")


def _place_of(card: Path, folder: str) -> Path:
    """Return the folder of the same study below another folder of the run."""
    return card.parents[4] / folder / card.parent.relative_to(card.parents[3])


def _read(archive: Path) -> dict[str, bytes]:
    """Return the content of each member of an archive."""
    with tarfile.open(archive, "r:xz") as tar:
        return {member.name: source.read() for member in tar if (source := tar.extractfile(member)) is not None}


def _write(archive: Path, contents: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents, key=_place_in_archive):
            member = tarfile.TarInfo(name)
            member.size = len(contents[name])
            tar.addfile(member, io.BytesIO(contents[name]))
    # A reader, or a kill, meets the old archive or the new one.
    draft = archive.with_suffix(".draft")
    draft.write_bytes(lzma.compress(buffer.getvalue(), preset=6))
    draft.replace(archive)


def _place_in_archive(name: str) -> tuple[bool, tuple[str, ...], int, str]:
    """Return what archives are sorted by: studies before decodes, then by folder, and the files of each as listed."""
    path, listed = Path(name), (*_OF_A_STUDY, *_OF_A_DECODE)
    return "decodes" in path.parts, path.parent.parts, listed.index(path.name) if path.name in listed else 0, name


def main() -> None:
    """Pack or unpack, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--replace", action="store_true", help="replace records of the archives that differ")
    arguments = parser.parse_args()
    if arguments.action == "pack":
        for path in pack(arguments.source, arguments.target, replace=arguments.replace):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    else:
        unpack(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
