"""Training: turns a snapshot of verified reports into a judged candidate, as a durable run."""
