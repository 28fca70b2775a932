"""How a bench says that it cannot be run here."""


class Refused(Exception):
    """This machine lacks what the bench needs; the message says what that is."""
