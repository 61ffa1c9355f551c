"""The Lua scripts; `qw.scripts` reads and calls them."""
