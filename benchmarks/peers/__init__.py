"""
qw beside other job queues over Redis, on the same jobs.

Each peer lives in a virtual environment of its own. What runs in there, `produce`, `tasks`, `variables` and the
`…_app` modules, imports only the standard library and that peer; everything else runs where the benchmarks run.
"""
