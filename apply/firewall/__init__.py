"""Other people's firewalls: whether their filter chains drop a packet, as far as their rules can be read."""
