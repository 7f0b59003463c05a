"""Which records of several systems are one customer."""
