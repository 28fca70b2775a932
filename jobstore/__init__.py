"""The truth: jobs, leases and the outbox, and the words that gateway and runner share."""

__version__ = "0.1.0"
