"""What every package uses: files, errors, validation, registries, claims, logs and seeds."""
