"""`bin/wan22 doctor`: what is right and wrong with this machine, and the line that mends it."""
