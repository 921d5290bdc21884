"""The steps that bring the service's tables to the newest form, oldest first in versions/."""
