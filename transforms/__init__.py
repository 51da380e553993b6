"""From raw bytes to staged rows, and from staged rows to the union catalogue."""
