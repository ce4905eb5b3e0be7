"""Measures time and memory of the preparation of a large table: a million rows of 100 features, or of given sizes.

python workflow/benchmarks/tables_speed.py [ROWS] [COLUMNS] [CLASSES]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from blindtune.config.schema import read_dataset
from blindtune.datasets.prepared import prepare


def write(path: Path, rows: int, columns: int, classes: int) -> None:
    """Write a CSV of random numbers with five digits, and the class in the last column."""
    random = np.random.default_rng(0)
    step = max(1, 1_000_000 // columns)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join([*(f"feature_{place}" for place in range(columns)), "class"]) + "\n")
        for first in range(0, rows, step):
            count = min(step, rows - first)
            x, y = random.normal(size=(count, columns)).round(5), random.integers(0, classes, count)
            lines = [",".join(map(str, row)) + f",c{label}\n" for row, label in zip(x.tolist(), y, strict=True)]
            stream.writelines(lines)


def main() -> None:
    """Write the table, prepare it, and print what it took."""
    sizes = [int(text) for text in sys.argv[1:]]
    rows, columns, classes = (sizes + [1_000_000, 100, 100][len(sizes) :])[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "table.csv"
        write(path, rows, columns, classes)
        source = read_dataset({"source": "table", "file": str(path)})
        wall, cpu = time.perf_counter(), time.process_time()
        print(prepare("large", source, source.user_files(), folder / "data" / "m.json", folder / "sealed" / "s.json"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{path.stat().st_size / 1e6:,.0f} MB of text: {time.perf_counter() - wall:.0f} s, "
            f"{time.process_time() - cpu:.0f} CPU seconds, peak of memory {peak:.2f} GiB"
        )


if __name__ == "__main__":
    main()
