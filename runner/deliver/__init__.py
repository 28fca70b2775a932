"""The delivery stage: pays the outbox into the object storage."""
