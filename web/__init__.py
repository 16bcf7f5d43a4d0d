"""The console and the webhook receiver."""
