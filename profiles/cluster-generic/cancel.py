#!/usr/bin/env python3
"""End the jobs with these ids."""

from scheduler import main

main("cancel")
