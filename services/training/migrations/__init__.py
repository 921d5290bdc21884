"""The training service's tables, revision by revision."""
