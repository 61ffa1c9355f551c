"""
Managers, producers and foreign programs on one real Redis, in any order that Hypothesis finds, beside a shadow of it.

    shadow      what Redis ought to hold: each job, each place, each count
    exchange    what an exchange does to the shadow, and what its answer is held to
    moves       the same of the other scripts
    process     what one start of a manager has in its memory: jobs in hand, knocks, a load without an answer
    world       the real Redis, and what it holds
    machine     the two side by side: what is compared after each step, and the drain at the end
    producing   rules: what producers do, with the client and with redis-cli
    working     rules: what a start does while all is well
    failing     rules: deaths, rescues, zombies, and workers of qw 0.1.1
    run         all of it as one machine
"""
