"""The command line: a file for each verb, which reads the arguments of a function elsewhere."""
