"""The registry: judges candidates, keeps channels, and publishes signed releases that phones fetch."""
