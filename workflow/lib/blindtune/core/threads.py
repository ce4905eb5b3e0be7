"""How many threads the libraries of linear algebra use in a study and in the processes that start from it.

Snakemake has them use as many as a rule has threads. A study uses its cores by processes and threads of its own, and
how the sums inside a tuner or a trainer are ordered, so what it proposes or gives, must not depend on their number.
"""

#: Of the environment, as it must be before these libraries are loaded.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
