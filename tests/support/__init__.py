"""What tests of all kinds share: programs, nodes to try them on, judges of what came of it, and tools."""
