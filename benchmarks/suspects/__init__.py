"""The label audit: which training labels are most doubtful, drawn for review, and fed back."""
