"""What other programs read: a study's records in forms that are not ours."""
