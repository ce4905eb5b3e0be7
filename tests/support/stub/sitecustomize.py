"""Makes every script of the workflow end, its outputs made, as soon as it imports `blindtune.core.job_log`."""

import os
import sys
from pathlib import Path


class _Stub:
    def find_spec(self, name, path=None, target=None):
        main = sys.modules["__main__"]
        if name == "blindtune.core.job_log" and hasattr(main, "snakemake"):
            for output in main.snakemake.output:
                Path(output).write_text(output, encoding="utf-8")
            os._exit(0)


sys.meta_path.insert(0, _Stub())
