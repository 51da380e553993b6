"""From a member's feed to raw bytes with a manifest: registry, protocols, landing."""
