"""How fast wan22 is beside others; every figure is a ratio of turns taken one after the other."""
