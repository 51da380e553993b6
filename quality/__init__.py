"""Record rules, batch gates, and the pages staff read."""
