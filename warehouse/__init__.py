"""Where data lies on disk (lake), how it is queried (engine), and the published DuckDB file."""
