"""Running the exchange: a local Airflow, the sample's provider, and what a run prints."""
