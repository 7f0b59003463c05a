"""Scores with exact reasons, recorded as they leave."""
