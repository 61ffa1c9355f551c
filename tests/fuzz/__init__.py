"""
Fuzzing of all that reads text from outside: seeded, so that whatever is found can be had again by its number.

    seed, name, number ──▶ generator ──▶ input ──▶ target ──▶ accepted, or refused by the documented error
                           (mutation, strange)        └────▶ anything else, or too slow: a find
"""
