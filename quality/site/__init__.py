"""The staff site: templates, style, scripts and queries of its pages, and what turns rows into what they show."""
