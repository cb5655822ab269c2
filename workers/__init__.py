"""Floor 4: RQ queues, thin job entry points and the schedule."""
