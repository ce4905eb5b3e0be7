"""Export the records of studies to formats that other programs read."""
