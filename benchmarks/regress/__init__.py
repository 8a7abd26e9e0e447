"""Regression tracking: is a run as good as a committed one, at a known rate of false alarms?"""
