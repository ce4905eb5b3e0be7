"""The tables of the report, one module each; `write` writes all of them."""
