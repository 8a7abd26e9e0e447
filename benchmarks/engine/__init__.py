"""The training and measuring of the cells of a pack.

``record`` trains a pack and returns its records. It asks ``drivers`` for a team and runs the one
``loop`` over it. Teams are ``one_by_one``, each cell with modules of its own, and ``stack``, mapped
by ``vmap``; ``cuda`` wraps them for a GPU. ``data`` and ``batches`` say what a cell sees,
``selection`` which epochs a row describes, ``measure`` what follows from a record.
"""
