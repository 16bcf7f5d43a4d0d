"""Stand-ins for external systems, each a process of its own with a truth of its own. Imports nothing of ours."""
