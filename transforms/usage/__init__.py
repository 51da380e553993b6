"""Usage data, from raw to staged to facts; `staging.py` and `facts.py` are what other packages call."""
