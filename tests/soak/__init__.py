"""
A soak: a manager works off a million jobs, and is not to be larger afterwards than after the first ones.

    producer ──▶ Redis ◀── manager and its workers ──┐
       │           └──────────────┬──────────────────┤ memory, descriptors, threads, at regular counts of jobs
       └──────────────────────────┴───▶ sampler ──▶ judge ──▶ table

A leak of a hundred bytes a job is nothing in a test of a thousand jobs, and a gigabyte in a week.
"""
