"""External systems: one module for each, and the registry."""
