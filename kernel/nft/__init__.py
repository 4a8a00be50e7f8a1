"""nf_tables: tables as values, their JSON, listings, and the transactions between two states."""
