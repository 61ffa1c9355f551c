"""What `qw-manager` and `qw-client` are made of; their two `__main__` modules hold the interface."""
