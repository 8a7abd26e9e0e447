"""The GPU wing: steps recorded as CUDA graphs, and cells on streams of their own.

Both wrap the teams of the engine, which does not know of them: ``engine.drivers`` alone chooses.
"""
