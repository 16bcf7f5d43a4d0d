"""The console and the webhook receiver; today health and metrics."""
