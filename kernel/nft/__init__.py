"""nf_tables: tables as values, their JSON, their listings, and the transactions between two states."""
