"""The files of a checkpoint: how they come onto this machine, are kept true, and are read."""
