"""Chaos: hours of what `qw-client prove` does for half a minute."""
