"""Stopping a machine that nobody needs: each look is one short process."""
