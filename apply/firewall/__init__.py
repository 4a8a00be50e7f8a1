"""Find whether the filter chains of other people's firewalls drop a packet, as far as their rules can be read."""
