"""Programs that use hardmine as a user would."""
