"""The command line: one file a verb, each of which reads the arguments of a function elsewhere."""
