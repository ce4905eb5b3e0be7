"""Interactive charts of the page: each is one Vega-Lite specification."""
