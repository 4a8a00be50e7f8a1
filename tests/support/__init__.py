"""What tests of all kinds share: programs, nodes to try them on, judges of the results, and tools."""
