"""Profiles of every customer as of any day, built so that they cannot see the future."""
