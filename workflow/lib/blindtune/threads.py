"""One thread for the libraries of linear algebra, here and in processes that start from here; import it before NumPy.

Snakemake has them use as many as a rule has threads. A study uses its cores by processes and threads of its own, and
how the sums inside a tuner or a trainer are ordered, so what it proposes or gives, must not depend on their number.
"""

import os

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

os.environ.update(ONE_THREAD)
