"""The record of a job: every figure of one built by hand, and nothing that is not known."""
