"""
Crash points: a manager is killed, or one of its connections cut, at every command of its life.

    relay      between one manager and Redis: knows whole commands and replies, and strikes at one of them
    commands   what a command is called, and of which jobs it carries the outcome
    scenario   the manager to be struck, as a process of its own, and the jobs it is given
    dead       a start that died before, with a job in hand
    trial      one run of the scenario with its faults, and what is found afterwards
    table      all trials, and what they come to

`python -m tests.crashpoints` runs each point once, `--pairs` hits the recovering manager as well.
"""
