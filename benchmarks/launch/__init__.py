"""From a request to trained cells: a session checks it, a launcher trains its packs in workers.

A :class:`Request` is what a user asks for; a :class:`Session` is that request checked against this
machine and a results folder; a :class:`Job` is what all packs of a session have in common, as plain
values; a worker trains one :class:`Pack` at a time and writes its part.
"""
