"""The networks of the founding method: one tells how many primary particles, one per number their areas.

M. Frei, F. E. Kruis, Powder Technology 332 (2018) 120-130. What is not known of it (the 13 features, the
synthesis, the training algorithm) is NanoAI's own and documented where it is done.
"""
