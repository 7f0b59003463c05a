"""Source files into canonical, checked, immutable tables: the floor everything else stands on."""
