"""Requests come in: REST for now; the command line client."""
