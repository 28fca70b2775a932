"""Job files that people drop into a folder become jobs, for users who have only SSH."""
