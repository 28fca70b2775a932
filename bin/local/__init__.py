"""A whole wan22 on this machine, for bin/demo and the tests: an S3 server, three processes."""
