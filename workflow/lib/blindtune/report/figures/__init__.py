"""The figures of the report, one module each; `style` and `write` serve all of them."""
