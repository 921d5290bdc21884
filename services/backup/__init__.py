"""Backups of a whole suite: databases, files, what was published, and the keys that are online."""
