"""What waits for the worker: a durable flag a project, and who the one worker is."""
