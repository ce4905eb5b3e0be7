#!/usr/bin/env python3
"""Submit a job: Snakemake gives the script, and takes what is printed for the id of the job."""

from scheduler import main

main("submit")
