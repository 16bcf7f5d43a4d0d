"""Stand-ins for external systems: processes and truths of their own that import nothing of ours."""
