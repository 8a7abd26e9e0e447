"""What a run will train, in which packs, how long it takes and what memory it needs."""
