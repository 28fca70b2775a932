"""A whole wan22 on this machine: an S3 server and the three processes, for bin/demo and the tests."""
