"""Tests of launchers against the real thing: a Ray cluster of two nodes, and Slurm."""
