"""The report, made from records alone: tables, figures, statistics, one page."""
