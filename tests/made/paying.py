"""Paying what is owed, one row after the other, without a stage around it."""

from runner.deliver.pay import Pay


def paid(pay: Pay) -> bool:
    """Pay the row that is due longest and wait for it; tells whether there was one."""
    begun = pay.run_once()
    pay.settle()
    return begun
