"""The JSON API of the console, `/api/v1`."""
