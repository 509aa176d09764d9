"""What is measured: one module a quantity."""
