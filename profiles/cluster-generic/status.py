#!/usr/bin/env python3
"""Print running, success or failed for the id of a job."""

from scheduler import main

main("status")
