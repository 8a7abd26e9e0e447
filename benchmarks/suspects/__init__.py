"""The label audit: the most doubtful training labels, ranked, drawn for review, and corrected."""
