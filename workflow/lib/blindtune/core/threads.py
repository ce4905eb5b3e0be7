"""How many threads linear algebra libraries use in a study and in its worker processes.

Snakemake sets one thread per thread of the rule. A study uses its cores through processes and threads instead:
the number of threads changes the order of sums inside tuners and trainers, and with it proposals and results.
"""

#: Environment variables that must be set before the libraries are loaded.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
