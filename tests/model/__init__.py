"""
The protocol between managers and Redis, explored state by state: every order of steps, losses, pauses and kills.

    protocol.py   the states, the steps, and what must never be; mutants leave one safeguard out
    explore.py    breadth first through all states; the shortest way to one that is wrong
"""
