"""What a system sees of stored samples: as they are, features of them, frames, crops."""
