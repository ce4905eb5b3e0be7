"""Tables: CSV, TSV, Parquet, Feather and Excel files with one sample per row."""
