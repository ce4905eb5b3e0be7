"""What each job needs of a machine, estimated from what is known before anything runs."""
