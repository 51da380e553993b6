"""A demonstration consortium built from real records, with its truth; nothing here is a real library."""
