"""What qw costs and what it gains, beside the plain design that it grew from: `python -m benchmarks`."""
