"""
Proof that nothing is lost: a fleet of managers works while it, and its Redis, are killed, stopped and cut off.

    plan ──▶ producer ──▶ Redis ◀── relays ◀── managers ──▶ ledger ──▶ judge ──▶ table
      └────▶ nemesis ───────┴──────────┴───────────┘

All that is to happen follows from a seed. What the targets did stands in a ledger outside of Redis, and
the judge holds it against what was queued and which faults there were.
"""
