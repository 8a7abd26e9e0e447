"""The cells that a run will train, their packs, and the time and memory that they take."""
