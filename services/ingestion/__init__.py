"""Receives reports, masks and groups them, keeps their labels, and freezes them into snapshots."""
