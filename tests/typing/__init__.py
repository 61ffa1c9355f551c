"""What is only type-checked."""
